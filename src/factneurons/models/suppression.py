"""P(answer) under many different neuron sets in one batch, one set per row, over shared prompts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from factneurons.errors import BadSetting
from factneurons.models.backbone import Backbone, Change
from factneurons.models.interventions import check_positions
from factneurons.models.neurons import checked
from factneurons.models.passes.attention import Unsupported
from factneurons.models.passes.capture import Capture, capture
from factneurons.models.passes.fast_path import disable_fast_path, fast_path_fits
from factneurons.models.passes.matmul import fast_products
from factneurons.models.passes.memory import in_parts
from factneurons.models.passes.plain import plain_log_probabilities
from factneurons.models.passes.rows import Multiplied, run_rows
from factneurons.models.types import FloatArray, Neuron, Positions, Query

_ROWS = 512
_ENCODER_TOKENS = 4096

Factors = Mapping[Neuron, float]


def log_probabilities_with(
    backbone: Backbone,
    queries: Sequence[Query],
    neuron_sets: Sequence[Collection[tuple[int, int]]],
    factor: float | Sequence[float],
    positions: Positions,
) -> FloatArray:
    """Log P(answer) in nats, [queries, sets], with each set's neurons multiplied (`Model.probabilities_with`)."""
    check_positions(positions)
    each = list(factor) if isinstance(factor, Iterable) else [float(factor)] * len(neuron_sets)
    if len(each) != len(neuron_sets):
        raise BadSetting(f"{len(neuron_sets)} neuron sets need one factor or as many, not {len(each)}")
    sets = [dict.fromkeys(checked(backbone, s), f) for s, f in zip(neuron_sets, each, strict=True)]
    result = np.empty((len(queries), len(sets)))

    def ask(indices: Sequence[int]) -> None:
        result[indices] = _of_batch(backbone, [queries[index] for index in indices], sets, positions == "all")

    for indices in _together(backbone, queries, len(sets)):
        in_parts(indices, ask, what=f"interventions on {backbone.name}")
    return result


def _together(backbone: Backbone, queries: Sequence[Query], sets: int) -> Iterator[list[int]]:
    """Queries whose rows share passes: of causal models, with equally many answer tokens."""
    by_tokens: dict[int, list[int]] = {}
    for index, query in enumerate(queries):
        by_tokens.setdefault(len(query.answer_ids), []).append(index)
    for tokens, indices in by_tokens.items():
        step = max(1, _ROWS // (tokens * max(1, sets))) if backbone.kind == "causal" else 1
        for begin in range(0, len(indices), step):
            yield indices[begin : begin + step]


def _of_batch(
    backbone: Backbone, queries: Sequence[Query], sets: Sequence[Factors], everywhere: bool, *, trusted: bool = True
) -> FloatArray:
    tokens = tuple(range(len(queries[0].answer_ids)))
    captured = capture(backbone, queries, [(row, tokens) for row in range(len(queries))])
    numbers = sorted((i for i, s in enumerate(sets) if s), key=lambda i: min(sets[i]).layer)
    fast = trusted and bool(numbers) and not everywhere and fast_path_fits(backbone, captured)
    if len(queries) > 1 and numbers and not fast:
        return np.concatenate([_of_batch(backbone, [query], sets, everywhere, trusted=trusted) for query in queries])
    untouched = captured.log_probabilities.sum(-1).cpu().numpy()
    result = np.repeat(untouched[:, None], len(sets), axis=1)

    def ask(part: Sequence[int]) -> None:
        chosen = [sets[number] for number in part]
        if fast:
            result[:, part] = _rows_log_probabilities(backbone, captured, chosen).cpu().numpy()
        else:
            result[0, part] = plain_log_probabilities(backbone, captured, chosen, everywhere=everywhere).cpu().numpy()

    step = _step(backbone, queries)
    try:
        for begin in range(0, len(numbers), step):
            in_parts(numbers[begin : begin + step], ask, what=None)
    except Unsupported as reason:
        disable_fast_path(backbone, reason)
        return _of_batch(backbone, queries, sets, everywhere, trusted=False)
    return result


def _step(backbone: Backbone, queries: Sequence[Query]) -> int:
    if backbone.kind == "cloze":
        return max(1, _ENCODER_TOKENS // len(queries[0].input_ids))
    return max(1, _ROWS // (len(queries) * len(queries[0].target_positions)))


@torch.no_grad()
def _rows_log_probabilities(backbone: Backbone, captured: Capture, sets: Sequence[Factors]) -> Tensor:
    """Each row starts at the lowest layer its set touches; `sets` are sorted by that layer. [I, sets]."""
    starts: list[Tensor | None] = []
    changes: dict[int, Change] = {}
    lowest = [min(neurons).layer for neurons in sets]
    for layer in range(backbone.layer_count):
        own = [row for row, first in enumerate(lowest) if first == layer]
        starts.append(_start(captured, layer, [sets[row] for row in own]) if own else None)
        entries = [
            (row, neuron.index, factor)
            for row, neurons in enumerate(sets)
            if lowest[row] < layer
            for neuron, factor in neurons.items()
            if neuron.layer == layer
        ]
        if entries:
            changes[layer] = _multiplied(entries, backbone.device)
    with fast_products(backbone.device, backbone.dtype):
        hidden = torch.cat([rows for rows in run_rows(backbone, captured, starts, changes) if rows is not None], 1)
        targets = captured.targets[:, None].expand(-1, len(sets), -1)
        tokens = backbone.head.log_probabilities(hidden.reshape(-1, hidden.shape[-1]), targets.reshape(-1))
    return tokens.view(targets.shape).sum(-1)


def _start(captured: Capture, layer: int, sets: Sequence[Factors]) -> Tensor:
    activation = captured.activations[layer]
    entries = [
        (row, neuron.index, factor)
        for row, neurons in enumerate(sets)
        for neuron, factor in neurons.items()
        if neuron.layer == layer
    ]
    own = _multiplied(entries, activation.device)
    scale = torch.ones(len(sets), 1, activation.shape[-1], dtype=activation.dtype, device=activation.device)
    scale[own.rows, 0, own.indices] = own.factors.to(scale.dtype)
    return activation[:, None] * scale[None]


def _multiplied(entries: Sequence[tuple[int, int, float]], device: torch.device) -> Multiplied:
    rows, indices, factors = zip(*entries, strict=True)
    return Multiplied(
        torch.tensor(rows, device=device),
        torch.tensor(indices, device=device),
        torch.tensor(factors, dtype=torch.float64, device=device),
    )
