"""Values and gradients of the target function at given values of one layer's neurons: carried as rows, or plainly."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from factneurons.models.backbone import Backbone
from factneurons.models.passes.capture import Capture
from factneurons.models.passes.plain import run_plain
from factneurons.models.passes.rows import fitting_rows, run_rows
from factneurons.models.types import Target

Points = Sequence[Tensor | None]
"""Per layer [I, rows, width]: what the down-projection reads instead; None where a layer is left out."""

Result = tuple[list[Tensor | None], list[Tensor | None]]
"""Per layer the target function [I, rows] and its gradient [I, rows, width]."""


def row_gradients(backbone: Backbone, captured: Capture, points: Points, target: Target) -> Result:
    """All layers' points (that require gradients) in one pass.

    Raises:
        Unsupported: the blocks do not fit the fast path.
    """
    starts = [None if point is None else point[:, :, None] for point in points]
    hidden = [rows for rows in run_rows(backbone, captured, starts) if rows is not None]
    size = hidden[0].shape[-1]
    flat = torch.cat([rows.reshape(-1, size) for rows in hidden])
    values, heads = backbone.head.value_and_gradient(flat.detach(), *_goals(captured, hidden, target))
    used = [point for point in points if point is not None]
    with fitting_rows():
        found = iter(torch.autograd.grad(flat, used, heads))
    parts = iter(values.split([rows.shape[0] * rows.shape[1] for rows in hidden]))
    return (
        [None if point is None else next(parts).view(point.shape[:2]).to(point.device) for point in points],
        [None if point is None else next(found) for point in points],
    )


def _goals(captured: Capture, hidden: Sequence[Tensor], target: Target) -> tuple[Tensor, Target, Tensor | None]:
    """What the head is asked for rows of several layers, one layer after the other."""
    wanted, others = zip(*(captured.goal(rows.shape[1]) for rows in hidden), strict=True)
    return torch.cat(wanted), target, None if captured.against is None else torch.cat(others)


@torch.no_grad()
def row_values(backbone: Backbone, captured: Capture, points: Points, target: Target) -> list[Tensor | None]:
    """The target function alone.

    Raises:
        Unsupported: the blocks do not fit the fast path.
    """
    starts = [None if point is None else point[:, :, None] for point in points]
    hidden = [rows for rows in run_rows(backbone, captured, starts) if rows is not None]
    flat = torch.cat([rows.reshape(-1, rows.shape[-1]) for rows in hidden])
    values = backbone.head.values(flat, *_goals(captured, hidden, target))
    parts = iter(values.split([rows.shape[0] * rows.shape[1] for rows in hidden]))
    return [None if point is None else next(parts).view(point.shape[:2]).to(point.device) for point in points]


@torch.no_grad()
def plain_values(backbone: Backbone, captured: Capture, points: Points, target: Target) -> list[Tensor | None]:
    """The same, a whole prompt for every point."""
    result: list[Tensor | None] = []
    for layer, point in enumerate(points):
        if point is None:
            result.append(None)
            continue
        wanted, other = captured.goal(point.shape[1])
        found = [
            backbone.head.values(
                hidden.reshape(-1, hidden.shape[-1]), wanted[part], target, None if other is None else other[part]
            )
            for part, hidden in run_plain(backbone, captured, layer, point[:, :, None])
        ]
        result.append(torch.cat(found).view(point.shape[:2]))
    return result


def plain_gradients(backbone: Backbone, captured: Capture, points: Points, target: Target) -> Result:
    """The same, a whole prompt for every point."""
    values: list[Tensor | None] = []
    gradients: list[Tensor | None] = []
    for layer, point in enumerate(points):
        found = None if point is None else _plain_layer(backbone, captured, layer, point, target)
        values.append(None if found is None else found[0])
        gradients.append(None if found is None else found[1])
    return values, gradients


def _plain_layer(
    backbone: Backbone, captured: Capture, layer: int, point: Tensor, target: Target
) -> tuple[Tensor, Tensor]:
    items, count, _ = point.shape
    wanted, other = captured.goal(count)
    all_values, gradient = [], torch.zeros_like(point)
    for part, hidden in run_plain(backbone, captured, layer, point[:, :, None]):
        flat = hidden.reshape(-1, hidden.shape[-1])
        values, heads = backbone.head.value_and_gradient(
            flat.detach(), wanted[part], target, None if other is None else other[part]
        )
        all_values.append(values.to(point.device))
        with backbone.telling(captured.batch.queries):
            gradient += torch.autograd.grad(flat, point, heads, retain_graph=True)[0]
    return torch.cat(all_values).view(items, count), gradient
