"""What an unchanged model answers: probabilities, ranks and neuron values of many queries, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from factneurons.models.backbone import Backbone
from factneurons.models.batches import Batch, groups
from factneurons.models.neurons import as_rows
from factneurons.models.passes.capture import capture
from factneurons.models.passes.matmul import fast_products
from factneurons.models.passes.memory import in_parts
from factneurons.models.passes.spread import whole_values
from factneurons.models.types import Evaluation, FloatArray, Query

_TOKENS = 4096
_CAPTURED_TOKENS = 512


class _Asked(NamedTuple):
    """What came out of one batch.

    Attributes:
        indices: its queries' places among all.
        rows: [tokens], the batch row of each answer token.
        log_probabilities: [tokens] float64, nats.
        ranks, top: [tokens], the token's rank and the top token's id; None where nobody asked.
    """

    indices: Sequence[int]
    rows: npt.NDArray[np.int64]
    log_probabilities: FloatArray
    ranks: Tensor | None
    top: Tensor | None


def log_probabilities(backbone: Backbone, queries: Sequence[Query]) -> FloatArray:
    """Log P(answer) of every query in nats, [queries]: the sum over the answer's tokens."""
    result = np.empty(len(queries))
    for asked in _asked(backbone, queries, ranks=False):
        result[asked.indices] = np.bincount(asked.rows, weights=asked.log_probabilities, minlength=len(asked.indices))
    return result


def evaluate(backbone: Backbone, queries: Sequence[Query]) -> list[Evaluation]:
    """Probability, rank and prediction of every query."""
    result: dict[int, Evaluation] = {}
    for asked in _asked(backbone, queries, ranks=True):
        assert asked.ranks is not None
        assert asked.top is not None
        for row, index in enumerate(asked.indices):
            own = np.flatnonzero(asked.rows == row)
            tokens = asked.log_probabilities[own]
            result[index] = Evaluation(
                log_probability=float(tokens.sum()),
                token_log_probabilities=tuple(float(token) for token in tokens),
                rank=int(asked.ranks[own].max()),
                prediction=backbone.tokenizer.decode([int(asked.top[place]) for place in own]).strip(),
            )
    return [result[index] for index in range(len(queries))]


def activations(backbone: Backbone, queries: Sequence[Query]) -> npt.NDArray[np.float32]:
    """Neuron values [queries, layers, width] where neurons are meant, their mean over several positions."""
    result = np.empty((len(queries), backbone.layer_count, backbone.width), dtype=np.float32)

    def read(indices: Sequence[int]) -> None:
        apart = [index for index in indices if queries[index].positions != "target"]
        for index in apart:
            result[index] = _means(backbone, queries[index])
        indices = [index for index in indices if index not in apart]
        if not indices:
            return
        counts = [len(queries[index].answer_ids) for index in indices]
        items = [(row, (token,)) for row, count in enumerate(counts) for token in range(count)]
        values = capture(backbone, [queries[index] for index in indices], items).activations
        of_layers = as_rows([layer[:, 0].float().cpu() for layer in values], backbone.width)
        for index, own in zip(indices, of_layers.split(counts), strict=True):
            result[index] = own.mean(0).numpy()

    for indices in groups(queries, causal=backbone.kind == "causal", tokens=_CAPTURED_TOKENS):
        in_parts(indices, read, what=f"reading neurons of {backbone.name}")
    return result


def _means(backbone: Backbone, query: Query) -> npt.NDArray[np.float32]:
    """[layers, width], the mean over the positions at which a layer's neurons are meant; 0 where there are none."""
    found = np.zeros((backbone.layer_count, backbone.width), dtype=np.float32)
    for layer, values in enumerate(whole_values(backbone, query)):
        places = query.places(encoder=backbone.in_encoder(layer))
        if places:
            found[layer, : values.shape[-1]] = values[list(places)].float().mean(0).cpu().numpy()
    return found


def _asked(backbone: Backbone, queries: Sequence[Query], *, ranks: bool) -> Iterator[_Asked]:
    for indices in groups(queries, causal=backbone.kind == "causal", tokens=_TOKENS):
        yield from in_parts(indices, lambda part: _ask(backbone, queries, part, ranks), what=f"asking {backbone.name}")


def _ask(backbone: Backbone, queries: Sequence[Query], indices: Sequence[int], ranks: bool) -> _Asked:
    batch = Batch.of([queries[index] for index in indices], backbone.device)
    with torch.no_grad(), fast_products(backbone.device, backbone.dtype):
        hidden = backbone.to_head(batch)
    rows = [row for row, query in enumerate(batch.queries) for _ in query.target_positions]
    places = [place for query in batch.queries for place in query.target_positions]
    targets = torch.tensor([token for query in batch.queries for token in query.answer_ids], device=hidden.device)
    flat = hidden[torch.tensor(rows), torch.tensor(places)]
    head = backbone.head
    tokens = head.log_probabilities(flat, targets).cpu().numpy()
    return _Asked(indices, np.array(rows), tokens, *(head.ranks(flat, targets) if ranks else (None, None)))
