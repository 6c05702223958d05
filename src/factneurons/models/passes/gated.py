"""Gates on the neurons of all layers: values and gradients where every layer's neurons are scaled at once.

A neuron's value v, as the layers below now make it, becomes g v + (1 - g) b at the item's target position.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from factneurons.models.backbone import Backbone
from factneurons.models.passes.capture import Capture
from factneurons.models.passes.plain import run_changed
from factneurons.models.passes.rows import fitting_rows, run_rows
from factneurons.models.threads import Change
from factneurons.models.types import Target

GatedResult = tuple[Tensor, list[Tensor]]
"""The target function [I, rows], and per layer its gradient with respect to the gates [I, rows, width]."""


def changes_of(gates: Sequence[Tensor], rest: Sequence[Tensor] | None) -> list[Change]:
    """What gates do to each layer.

    Args:
        gates: per layer [I, rows, width].
        rest: per layer [I, rows, width], the values b where gates are 0; None: zeros.
    """
    if rest is None:
        return [_scaled(gate) for gate in gates]
    return [_between(gate, values) for gate, values in zip(gates, rest, strict=True)]


def _scaled(gate: Tensor) -> Change:
    return lambda value: value * gate[:, :, None].to(value)


def _between(gate: Tensor, rest: Tensor) -> Change:
    return lambda value: torch.lerp(rest[:, :, None].to(value), value, gate[:, :, None].to(value))


def gated_rows(
    backbone: Backbone, captured: Capture, gates: Sequence[Tensor], changes: Sequence[Change], target: Target
) -> GatedResult:
    """All rows start in the first layer and go through every layer's gates.

    Raises:
        Unsupported: the blocks do not fit the fast path.
    """
    items, count, _ = gates[0].shape
    start = changes[0](captured.activations[0][:, None].expand(-1, count, -1, -1))
    starts: list[Tensor | None] = [start, *[None] * (len(gates) - 1)]
    hidden = run_rows(backbone, captured, starts, dict(enumerate(changes[1:], 1)))[0]
    assert hidden is not None
    flat = hidden.reshape(-1, hidden.shape[-1])
    wanted, other = captured.goal(count)
    values, heads = backbone.head.value_and_gradient(flat.detach(), wanted, target, other)
    with fitting_rows():
        return values.view(items, count), list(torch.autograd.grad(flat, gates, heads))


def gated_plain(
    backbone: Backbone, captured: Capture, gates: Sequence[Tensor], changes: Sequence[Change], target: Target
) -> GatedResult:
    """The same, a whole prompt for every row."""
    items, count, _ = gates[0].shape
    wanted, other = captured.goal(count)
    all_values, gradients = [], [torch.zeros_like(gate) for gate in gates]
    for part, hidden in run_changed(backbone, captured, changes, count):
        flat = hidden.reshape(-1, hidden.shape[-1])
        values, heads = backbone.head.value_and_gradient(
            flat.detach(), wanted[part], target, None if other is None else other[part]
        )
        all_values.append(values.to(wanted.device))
        with backbone.telling(captured.batch.queries):
            slopes = torch.autograd.grad(flat, gates, heads)
        for gradient, found in zip(gradients, slopes, strict=True):
            gradient += found
    return torch.cat(all_values).view(items, count), gradients
