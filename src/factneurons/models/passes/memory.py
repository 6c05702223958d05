"""Memory as a budget: how many rows fit, and going on with half of them when they do not."""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import torch

from factneurons.errors import OutOfMemory
from factneurons.models.backbone import Backbone
from factneurons.models.failures import is_out_of_memory
from factneurons.models.passes.capture import Capture

_Thing = TypeVar("_Thing")
_Result = TypeVar("_Result")

_SHARE_OF_MODEL = 0.3
_LEAST = 128 * 2**20
_HIDDEN_COPIES = 9
_NEURON_COPIES = 3
_GATED_COPIES = 5
_WANTED = re.compile(r"(?:tried|unable) to allocate ([\d.]+) ?(bytes|[KMGT]iB)", re.IGNORECASE)
_REMEDY = "use a smaller model, a lower precision or a machine with more memory"


def row_bytes(backbone: Backbone, prompt_tokens: int) -> int:
    """About what automatic differentiation keeps of one row, in bytes, averaged over where rows start."""
    copies = _GATED_COPIES if backbone.adapter.gated else _NEURON_COPIES
    per_token = _HIDDEN_COPIES * backbone.hidden_size + copies * backbone.width
    tokens = 1 if backbone.kind == "causal" else prompt_tokens
    itemsize = torch.finfo(backbone.dtype).bits // 8
    return int(per_token * tokens * itemsize * (backbone.layer_count + 1) / 2)


def model_bytes(backbone: Backbone) -> int:
    """The size of the model's weights in bytes."""
    return sum(parameter.numel() * parameter.element_size() for parameter in backbone.module.parameters())


def budget_bytes(backbone: Backbone) -> int:
    """What rows in flight may take: three tenths of the model's own size, or 128 MiB if that is more."""
    return max(_LEAST, int(_SHARE_OF_MODEL * model_bytes(backbone)))


def row_budget(backbone: Backbone, captured: Capture) -> int:
    """How many rows may be in flight."""
    return max(1, budget_bytes(backbone) // row_bytes(backbone, captured.batch.input_ids.shape[1]))


def with_backoff(run: Callable[[int], None], rows: int, *, what: str) -> None:
    """Call `run(rows)`; when memory runs out, call it again with half as many rows.

    Raises:
        OutOfMemory: one row alone does not fit.
    """
    while True:
        try:
            return run(rows)
        except (MemoryError, RuntimeError) as error:
            _refuse_unless_smaller_may_fit(error, rows, f"{what}: not enough memory for a single row")
        _make_room()
        rows //= 2


def in_parts(
    things: Sequence[_Thing], run: Callable[[Sequence[_Thing]], _Result], *, what: str | None
) -> list[_Result]:
    """The results of `run` on all things at once; when memory runs out, on parts half as large, and so on.

    Parts that are done are not done again; they follow each other in the order of the things.

    Args:
        things: prompts or the like.
        run: what to do with some of them.
        what: what fails, for the message, when one alone does not fit; None: the caller can do with less itself,
            and gets the error as it is.

    Raises:
        OutOfMemory: one thing alone does not fit.
    """
    results: list[_Result] = []
    begin, size = 0, len(things)
    while begin < len(things):
        part = things[begin : begin + size]
        try:
            results.append(run(part))
        except (MemoryError, RuntimeError) as error:
            if what is None and len(part) == 1:
                raise
            _refuse_unless_smaller_may_fit(error, len(part), f"{what}: not enough memory for one prompt alone")
        else:
            begin += len(part)
            continue
        _make_room()
        size = len(part) // 2
    return results


@contextmanager
def as_one_line(what: str) -> Iterator[None]:
    """Around work that cannot do with less: its memory running out becomes one line.

    Raises:
        OutOfMemory: memory ran out inside.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemory(f"{what}: not enough memory{_asked_for(error)}; {_REMEDY}") from error


def _refuse_unless_smaller_may_fit(error: MemoryError | RuntimeError, size: int, message: str) -> None:
    if not is_out_of_memory(error):
        raise error
    if size <= 1:
        raise OutOfMemory(f"{message}{_asked_for(error)}; {_REMEDY}") from error


def _asked_for(error: BaseException) -> str:
    """How much was wanted at once, in brackets, where the allocator says it."""
    found = _WANTED.search(str(error))
    if found is None:
        return ""
    amount = f"{int(found[1]) / 2**20:,.1f} MiB" if found[2] == "bytes" else f"{found[1]} {found[2]}"
    return f" ({amount} were asked for at once)"


def _make_room() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
