"""What a model's own code raises in the middle of a question, told in one line that names the prompt and a way out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from factneurons.errors import MODEL_ERRORS, BadModel
from factneurons.models.files import first_line
from factneurons.models.types import Query

_MESSAGES = ("out of memory", "can't allocate memory", "not enough memory", "CUBLAS_STATUS_ALLOC_FAILED")
_SHOWN = 60


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _MESSAGES)


@contextmanager
def telling(name: str, dtype: torch.dtype, queries: Sequence[Query]) -> Iterator[None]:
    """Around the model's own code, forward or back: what it raises becomes one line; memory running out stays.

    Args:
        name: the model's.
        dtype: of its weights.
        queries: what it is asked.

    Raises:
        BadModel: it failed inside; says with which error, at which prompts, and what may help.
    """
    try:
        yield
    except MODEL_ERRORS as error:
        if is_out_of_memory(error):
            raise
        text = queries[0].prompt.text if queries else ""
        shown = text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
        beside = f" (and {len(queries) - 1} beside it)" if len(queries) > 1 else ""
        longest = max((len(query.input_ids) for query in queries), default=0)
        wide = dtype in (torch.float32, torch.float64)
        way_out = "leave the prompt out, or try another version of transformers or torch"
        raise BadModel(
            f"{name}: asked {shown!r}{beside}, of up to {longest} tokens, the model itself fails: "
            f"{type(error).__name__}: {first_line(error)}; {way_out if wide else f'load it in float32, or {way_out}'}"
        ) from error
