"""Exact suppression of single neurons: what every method approximates, at the price of one row per neuron."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from factneurons.attribution.engine import target_value
from factneurons.attribution.scores import Scores
from factneurons.attribution.settings import AttributionSettings
from factneurons.attribution.spread import suppressed_over_positions
from factneurons.models.model import Model
from factneurons.models.passes.capture import Capture, Item
from factneurons.models.passes.fast_path import values_at
from factneurons.models.passes.memory import row_budget, with_backoff


def suppression(model: Model, captured: Capture, items: Sequence[Item], settings: AttributionSettings) -> Scores:
    """F(a) - F(a with neuron j at 0), the layers above computed anew (activation patching with zero).

    A row per neuron and item: a model of L layers of m neurons costs L m rows, which start in their own layers.
    """
    if settings.positions != "target":
        width = captured.activations[0].shape[-1]
        return Scores.without_path(suppressed_over_positions(model, captured, items, settings), width)
    before = target_value(model, captured, settings)
    scores = [torch.zeros_like(value[:, 0]) for value in captured.activations]
    width = len(scores[0][0])

    def run(rows: int) -> None:
        step = max(1, rows // captured.size)
        for layer, values in enumerate(captured.activations):
            for part in torch.arange(width, device=values.device).split(step):
                points: list[Tensor | None] = [None] * model.layer_count
                points[layer] = _each_at_zero(values, part)
                after = values_at(model.backbone, captured, points, settings.target)[layer]
                assert after is not None
                scores[layer][:, part] = (before[:, None].to(after) - after).to(values)

    with_backoff(run, row_budget(model.backbone, captured), what=f"attribution with {model.name}")
    return Scores.without_path(scores, width)


def _each_at_zero(values: Tensor, indices: Tensor) -> Tensor:
    """A row per index, at which that neuron is 0: [I, rows, width]."""
    rows = values.repeat(1, len(indices), 1)
    rows[:, torch.arange(len(indices), device=rows.device), indices] = 0.0
    return rows
