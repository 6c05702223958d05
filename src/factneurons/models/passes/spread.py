"""Neurons at several positions of a prompt at once: gates that all these positions share, a whole prompt per row."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from factneurons.models.backbone import Backbone
from factneurons.models.batches import Batch
from factneurons.models.hooks import before
from factneurons.models.passes.capture import Capture
from factneurons.models.passes.matmul import fast_products
from factneurons.models.passes.plain import repeated, step_of
from factneurons.models.types import Query, Target

Gates = Sequence[Tensor | None]
"""Per layer [rows, width]; None: the layer is left as it is."""

Rest = Sequence[Tensor | None]
"""Per layer [n, width], what neurons are at each of the n places where their gates are 0; None: zeros."""


def spread_places(backbone: Backbone, query: Query, token: int) -> list[list[int]]:
    """The positions of each layer at which its neurons are meant, as far as the output for one answer token sees them.

    Args:
        backbone: the network.
        query: what is asked.
        token: which of the answer's tokens.
    """
    end = query.target_positions[token] + 1
    encoder, decoder = list(query.places(encoder=True)), [p for p in query.places(encoder=False) if p < end]
    return [encoder if backbone.in_encoder(layer) else decoder for layer in range(backbone.layer_count)]


@torch.no_grad()
def spread_values(
    backbone: Backbone, captured: Capture, gates: Gates, rest: Rest, where: Sequence[Sequence[int]], target: Target
) -> Tensor:
    """F alone, [rows] (arguments as in `spread_gradients`)."""
    found = []
    for part, at_target in _runs(backbone, captured, gates, rest, where):
        found.append(backbone.head.values(at_target, *_goal(captured, part, target)))
    return torch.cat(found)


def spread_gradients(
    backbone: Backbone, captured: Capture, gates: Gates, rest: Rest, where: Sequence[Sequence[int]], target: Target
) -> tuple[Tensor, list[Tensor | None]]:
    """F and dF/dg where a neuron's gate g is the same at all of its places: v becomes g v + (1 - g) b there.

    Args:
        backbone: any model's.
        captured: one item at one target position.
        gates: of every row.
        rest: the values b.
        where: per layer, the places (`spread_places`).
        target: which function of the answer token's logits F is.

    Returns:
        F [rows], and per gated layer [rows, width].
    """
    leaves = [None if gate is None else gate.detach().requires_grad_(True) for gate in gates]
    used = [leaf for leaf in leaves if leaf is not None]
    values, slopes = [], [torch.zeros_like(leaf) for leaf in used]
    with torch.enable_grad():
        for part, at_target in _runs(backbone, captured, leaves, rest, where):
            goal, kind, against = _goal(captured, part, target)
            value, heads = backbone.head.value_and_gradient(at_target.detach(), goal, kind, against)
            values.append(value)
            with backbone.telling(captured.batch.queries):
                own = _grad(at_target, used, heads)
            for slope, found in zip(slopes, own, strict=True):
                slope += found
    each = iter(slopes)
    return torch.cat(values), [None if leaf is None else next(each) for leaf in leaves]


def _grad(value: Tensor, leaves: Sequence[Tensor], heads: Tensor) -> Sequence[Tensor]:
    if not value.requires_grad:  # no place of these layers reaches the target
        return [torch.zeros_like(leaf) for leaf in leaves]
    return torch.autograd.grad(value, leaves, heads, materialize_grads=True)


def _goal(captured: Capture, rows: int, target: Target) -> tuple[Tensor, Target, Tensor | None]:
    goal, against = captured.goal(rows)
    return goal, target, against


def _runs(
    backbone: Backbone, captured: Capture, gates: Gates, rest: Rest, where: Sequence[Sequence[int]]
) -> list[tuple[int, Tensor]]:
    """A few rows at a time: how many, and the head's input at the target [rows, hidden]."""
    count = next(len(gate) for gate in gates if gate is not None)
    step = step_of(captured.batch)
    results = []
    for begin in range(0, count, step):
        part = slice(begin, min(begin + step, count))
        rows = part.stop - begin
        batch = repeated(captured.batch, captured.rows.expand(rows))
        hooks = [
            before(backbone.layers[layer].down, _gating(gate[part], rest[layer], where[layer]))
            for layer, gate in enumerate(gates)
            if gate is not None and where[layer]
        ]
        with fast_products(backbone.device, backbone.dtype):
            results.append((rows, backbone.to_head(batch, hooks=hooks)[:, int(captured.positions[0, 0])]))
    return results


def _gating(gate: Tensor, rest: Tensor | None, where: Sequence[int]) -> Callable[..., tuple[Tensor]]:
    def hook(module: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
        values = inputs[0].reshape(len(gate), -1, inputs[0].shape[-1]).clone()
        places = torch.tensor(where, device=values.device)
        own, scale = values[:, places], gate[:, None].to(values)
        values[:, places] = own * scale if rest is None else torch.lerp(rest[None].to(values), own, scale)
        return (values.view(inputs[0].shape),)

    return hook


@torch.no_grad()
def whole_values(backbone: Backbone, query: Query) -> list[Tensor]:
    """The neurons of one prompt at every position, per layer [tokens, width]."""
    seen: list[Tensor] = []

    def keep(module: nn.Module, inputs: tuple[Tensor]) -> None:
        seen.append(inputs[0].reshape(-1, inputs[0].shape[-1]))

    with fast_products(backbone.device, backbone.dtype):
        backbone.to_head(
            Batch.of([query], backbone.device), hooks=[before(layer.down, keep) for layer in backbone.layers]
        )
    return seen
