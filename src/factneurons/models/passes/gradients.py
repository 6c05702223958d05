"""Values and gradients of the target function: at given values of one layer's neurons, or of gates on all layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from factneurons.models.head import Target
from factneurons.models.passes.capture import Capture
from factneurons.models.passes.matmul import fast_products
from factneurons.models.passes.plain import run_gated, run_plain
from factneurons.models.passes.rows import Change, Unsupported, run_rows

if TYPE_CHECKING:
    from factneurons.models.model import Model

Points = Sequence[Tensor | None]
"""Per layer [I, rows, width]: what the down-projection reads instead; None where a layer is left out."""

Result = tuple[list[Tensor | None], list[Tensor | None]]
"""Per layer the target function [I, rows] and its gradient [I, rows, width]."""


def values_and_gradients(model: Model, captured: Capture, points: Points, target: Target) -> Result:
    """F and dF/da at every point, where only that layer's vector at the item's target position is replaced.

    Args:
        model: any model.
        captured: items at one target position each (n = 1).
        points: the points, per layer.
        target: which function of the answer token's logits F is.
    """
    leaves = [None if point is None else point.detach().requires_grad_(True) for point in points]
    with fast_products(model.device, model.dtype), torch.enable_grad():
        if model.staircase(captured):
            try:
                return _staircase(model, captured, leaves, target)
            except Unsupported as reason:
                model.distrust(reason)
        return _plain(model, captured, leaves, target)


def gated_values_and_gradients(
    model: Model, captured: Capture, gates: Sequence[Tensor], rest: Sequence[Tensor] | None, target: Target
) -> tuple[Tensor, list[Tensor]]:
    """F and dF/dg where the neurons of all layers, each as the layers below now make it, go through gates.

    A neuron's value v becomes g v + (1 - g) b at the item's target position, with b its value in `rest`.

    Args:
        model: any model.
        captured: items at one target position each (n = 1).
        gates: per layer [I, rows, width].
        rest: per layer [I, rows, width], the values where gates are 0; None: zeros.
        target: which function of the answer token's logits F is.

    Returns:
        F [I, rows], and per layer dF/dg [I, rows, width].
    """
    leaves = [gate.detach().requires_grad_(True) for gate in gates]
    changes = [gated(leaf, None if rest is None else rest[layer]) for layer, leaf in enumerate(leaves)]
    with fast_products(model.device, model.dtype), torch.enable_grad():
        if model.staircase(captured):
            try:
                return _gated_rows(model, captured, leaves, changes, target)
            except Unsupported as reason:
                model.distrust(reason)
        return _gated_plain(model, captured, leaves, changes, target)


def gated(gate: Tensor, rest: Tensor | None) -> Change:
    """The change of a layer's neurons [I, rows, 1, width] by its gates [I, rows, width]."""
    if rest is None:
        return lambda value: value * gate[:, :, None].to(value.device)
    return lambda value: torch.lerp(rest[:, :, None].to(value), value, gate[:, :, None].to(value))


def _gated_rows(
    model: Model, captured: Capture, leaves: Sequence[Tensor], changes: Sequence[Change], target: Target
) -> tuple[Tensor, list[Tensor]]:
    first = captured.activations[0][:, None].expand(-1, leaves[0].shape[1], -1, -1)
    starts: list[Tensor | None] = [changes[0](first), *[None] * (len(leaves) - 1)]
    hidden = run_rows(model, captured, starts, dict(enumerate(changes[1:], 1)))[0]
    assert hidden is not None
    flat = hidden.reshape(-1, hidden.shape[-1])
    targets = captured.targets.expand(-1, leaves[0].shape[1]).reshape(-1)
    values, heads = model.head.value_and_gradient(flat.detach(), targets.to(flat.device), target)
    return values.view(leaves[0].shape[:2]), list(torch.autograd.grad(flat, leaves, heads))


def _gated_plain(
    model: Model, captured: Capture, leaves: Sequence[Tensor], changes: Sequence[Change], target: Target
) -> tuple[Tensor, list[Tensor]]:
    items, count, _ = leaves[0].shape
    targets = captured.targets.expand(-1, count).reshape(-1)
    all_values = []
    gradients = [torch.zeros_like(leaf) for leaf in leaves]
    for part, hidden in run_gated(model, captured, changes, count):
        flat = hidden.reshape(-1, hidden.shape[-1])
        values, heads = model.head.value_and_gradient(flat.detach(), targets[part].to(flat.device), target)
        all_values.append(values.to(targets.device))
        for gradient, found in zip(gradients, torch.autograd.grad(flat, leaves, heads), strict=True):
            gradient += found
    return torch.cat(all_values).view(items, count), gradients


def _staircase(model: Model, captured: Capture, leaves: Points, target: Target) -> Result:
    starts = [None if leaf is None else leaf[:, :, None] for leaf in leaves]
    hidden = [rows for rows in run_rows(model, captured, starts) if rows is not None]
    size = hidden[0].shape[-1]
    flat = torch.cat([rows.reshape(-1, size) for rows in hidden])
    targets = torch.cat([captured.targets.expand(-1, rows.shape[1]).reshape(-1) for rows in hidden])
    values, heads = model.head.value_and_gradient(flat.detach(), targets, target)
    used = [leaf for leaf in leaves if leaf is not None]
    found = iter(torch.autograd.grad(flat, used, heads))
    parts = iter(values.split([rows.shape[0] * rows.shape[1] for rows in hidden]))
    return (
        [None if leaf is None else next(parts).view(leaf.shape[:2]) for leaf in leaves],
        [None if leaf is None else next(found) for leaf in leaves],
    )


def _plain(model: Model, captured: Capture, leaves: Points, target: Target) -> Result:
    values: list[Tensor | None] = []
    gradients: list[Tensor | None] = []
    for layer, leaf in enumerate(leaves):
        found = None if leaf is None else _plain_layer(model, captured, layer, leaf, target)
        values.append(None if found is None else found[0])
        gradients.append(None if found is None else found[1])
    return values, gradients


def _plain_layer(model: Model, captured: Capture, layer: int, leaf: Tensor, target: Target) -> tuple[Tensor, Tensor]:
    items, count, _ = leaf.shape
    targets = captured.targets.expand(-1, count).reshape(-1)
    all_values, gradient = [], torch.zeros_like(leaf)
    for part, hidden in run_plain(model, captured, layer, leaf[:, :, None]):
        flat = hidden.reshape(-1, hidden.shape[-1])
        values, heads = model.head.value_and_gradient(flat.detach(), targets[part].to(flat.device), target)
        all_values.append(values.to(leaf.device))
        gradient += torch.autograd.grad(flat, leaf, heads, retain_graph=True)[0]
    return torch.cat(all_values).view(items, count), gradient
