"""P(answer) under many different neuron sets in one batch, one set per row, over one shared prompt."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from factneurons.errors import BadSetting
from factneurons.models.batches import Batch
from factneurons.models.capture import Capture, capture
from factneurons.models.interventions import Positions, check_positions, checked
from factneurons.models.matmul import fast_products
from factneurons.models.plain import plain_log_probabilities
from factneurons.models.rows import Edits, Unsupported, run_rows
from factneurons.models.types import Neuron, Query

if TYPE_CHECKING:
    from factneurons.models.model import Model

_ROWS = 512
_ENCODER_TOKENS = 4096

Factors = Mapping[Neuron, float]


def log_probabilities_with(
    model: Model,
    query: Query,
    neuron_sets: Sequence[Collection[tuple[int, int]]],
    factor: float | Sequence[float],
    positions: Positions,
) -> npt.NDArray[np.float64]:
    """Log P(answer) in nats, [sets], with each set's neurons multiplied (`Model.probabilities_with`)."""
    check_positions(positions)
    each = list(factor) if isinstance(factor, Iterable) else [float(factor)] * len(neuron_sets)
    if len(each) != len(neuron_sets):
        raise BadSetting(f"{len(neuron_sets)} neuron sets need one factor or as many, not {len(each)}")
    sets = [dict.fromkeys(checked(model, s), f) for s, f in zip(neuron_sets, each, strict=True)]
    captured = capture(model, Batch.of([query], model.device), [(0, tuple(range(len(query.answer_ids))))])
    result = np.full(len(sets), float(captured.log_probabilities.sum()))
    numbers = sorted((i for i, s in enumerate(sets) if s), key=lambda i: min(sets[i]).layer)
    everywhere = positions == "all"
    step = _step(model, query)
    for begin in range(0, len(numbers), step):
        part = numbers[begin : begin + step]
        chosen = [sets[number] for number in part]
        result[part] = _run(model, captured, chosen, everywhere).cpu().numpy()
    return result


def _run(model: Model, captured: Capture, sets: Sequence[Factors], everywhere: bool) -> Tensor:
    if not everywhere and model.staircase(captured):
        try:
            return _rows_log_probabilities(model, captured, sets)
        except Unsupported as reason:
            model.distrust(str(reason))
    return plain_log_probabilities(model, captured, sets, everywhere=everywhere)


def _step(model: Model, query: Query) -> int:
    if model.kind == "cloze":
        return max(1, _ENCODER_TOKENS // len(query.input_ids))
    return max(1, _ROWS // len(query.target_positions))


@torch.no_grad()
def _rows_log_probabilities(model: Model, captured: Capture, sets: Sequence[Factors]) -> Tensor:
    """Each row starts at the lowest layer its set touches; `sets` are sorted by that layer."""
    starts: list[Tensor | None] = []
    edits: dict[int, Edits] = {}
    lowest = [min(neurons).layer for neurons in sets]
    for layer in range(model.layer_count):
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
            edits[layer] = _edits(entries, model.device)
    with fast_products(model.device, model.dtype):
        hidden = torch.cat([rows for rows in run_rows(model, captured, starts, edits) if rows is not None], 1)[0]
        targets = captured.targets.expand(len(sets), -1).reshape(-1)
        tokens = model.head.log_probabilities(hidden.reshape(-1, hidden.shape[-1]), targets)
    return tokens.view(len(sets), -1).sum(-1)


def _start(captured: Capture, layer: int, sets: Sequence[Factors]) -> Tensor:
    activation = captured.activations[layer]
    entries = [
        (row, neuron.index, factor)
        for row, neurons in enumerate(sets)
        for neuron, factor in neurons.items()
        if neuron.layer == layer
    ]
    edits = _edits(entries, activation.device)
    scale = torch.ones(len(sets), 1, activation.shape[-1], dtype=activation.dtype, device=activation.device)
    scale[edits.rows, 0, edits.indices] = edits.factors.to(scale.dtype)
    return activation[:, None] * scale[None]


def _edits(entries: Sequence[tuple[int, int, float]], device: torch.device) -> Edits:
    rows, indices, factors = zip(*entries, strict=True)
    return Edits(
        torch.tensor(rows, device=device),
        torch.tensor(indices, device=device),
        torch.tensor(factors, dtype=torch.float64, device=device),
    )
