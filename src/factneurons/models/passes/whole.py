"""One pass over whole prompts and one back: values and gradients of every neuron at every position."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from factneurons.models.backbone import Backbone
from factneurons.models.hooks import Registration, before
from factneurons.models.passes.capture import Capture
from factneurons.models.passes.matmul import fast_products
from factneurons.models.passes.plain import repeated, step_of
from factneurons.models.types import Target

Rules = Callable[[], AbstractContextManager[None]]
"""What holds while the prompts run forward, for instance other slopes than their own for some operations."""


@dataclass(frozen=True, slots=True)
class WholeGradients:
    """What one backward pass per item gives.

    Attributes:
        activations: per layer [I, tokens, width]; an encoder has its own tokens.
        gradients: the same of dF/da.
    """

    activations: list[Tensor]
    gradients: list[Tensor]


def whole_gradients(
    backbone: Backbone,
    captured: Capture,
    target: Target,
    *,
    rules: Rules = nullcontext,
    hooks: Sequence[Registration] = (),
) -> WholeGradients:
    """Run every item's prompt as it is, and back from the item's own target.

    Args:
        backbone: any model's.
        captured: items at one target position each (n = 1).
        target: which function of the answer token's logits F is.
        rules: entered for the forward pass.
        hooks: further hooks of it.
    """
    values: list[list[Tensor]] = [[] for _ in backbone.layers]
    slopes: list[list[Tensor]] = [[] for _ in backbone.layers]
    step = step_of(captured.batch)
    for begin in range(0, captured.size, step):
        part = torch.arange(begin, min(begin + step, captured.size), device=captured.rows.device)
        batch = repeated(captured.batch, captured.rows[part])
        seen: list[Tensor] = [captured.rows] * backbone.layer_count
        notes = [before(layer.down, _noting(seen, number)) for number, layer in enumerate(backbone.layers)]
        with fast_products(backbone.device, backbone.dtype), torch.enable_grad():
            with rules():
                hidden = backbone.to_head(batch, hooks=[*hooks, *notes])
            at_targets = hidden[
                torch.arange(len(part), device=hidden.device), captured.positions[part, 0].to(hidden.device)
            ]
            wanted, other = captured.subset(part).goal()
            _, heads = backbone.head.value_and_gradient(at_targets.detach(), wanted, target, other)
            if at_targets.requires_grad:
                with backbone.telling(batch.queries):
                    found = torch.autograd.grad(at_targets, seen, heads, materialize_grads=True)
            else:  # a hook holds all that neurons reach
                found = tuple(torch.zeros_like(value) for value in seen)
        for layer, (value, slope) in enumerate(zip(seen, found, strict=True)):
            values[layer].append(value.detach().reshape(len(part), -1, value.shape[-1]))
            slopes[layer].append(slope.reshape(len(part), -1, slope.shape[-1]))
    return WholeGradients([torch.cat(each) for each in values], [torch.cat(each) for each in slopes])


def _noting(seen: list[Tensor], number: int) -> Callable[[nn.Module, tuple[Tensor]], tuple[Tensor]]:
    """A hook that keeps the neurons; parameters are frozen, so the graph begins at the lowest of them."""

    def note(module: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
        value = inputs[0]
        seen[number] = value if value.requires_grad else value.detach().requires_grad_(True)
        return (seen[number],)

    return note
