"""Neurons before their activation function: the vector z that released code hooks, and what follows from it.

    value = act(z)         z: the output of the up-projection
    value = act(z) * up    in a gated MLP: z is the gate's output, and the up-projection's stays as it is

Only where a path leads differs: what the down-projection reads at a point follows from z, so that all passes are those
of values, and a gradient by z is that by the value times the slope of this function.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from factneurons.errors import BadModel
from factneurons.models.adapters import activated
from factneurons.models.backbone import Backbone
from factneurons.models.head import tolerance
from factneurons.models.hooks import Registration, after

Keep = Callable[[Tensor], None]


@dataclass(frozen=True, slots=True)
class Inward:
    """What the activation functions of I items' neurons are given.

    Attributes:
        values: per layer [I, n, width], z.
        factors: per layer [I, n, width], what act(z) is multiplied by; None: nothing.
    """

    values: list[Tensor]
    factors: list[Tensor | None]

    def subset(self, items: Tensor) -> Inward:
        """Some items in any order, some perhaps several times."""
        factors = [None if factor is None else factor[items.to(factor.device)] for factor in self.factors]
        return Inward([value[items.to(value.device)] for value in self.values], factors)

    def read(self, backbone: Backbone, number: int, points: Tensor) -> Tensor:
        """What the down-projection of a layer reads where z is `points` [I, rows, width] (n = 1, or rows = n)."""
        value = activated(backbone.layers[number], backbone.adapter, points)
        factor, change = self.factors[number], backbone.open_change(number)
        value = value if factor is None else value * factor
        return value if change is None else change(value)

    @torch.no_grad()
    def check(self, backbone: Backbone, activations: list[Tensor]) -> None:
        """Refuse a model in which the neurons' values do not follow from z alone.

        Raises:
            BadModel: the first layer in which they do not.
        """
        for number, true in enumerate(activations):
            found = self.read(backbone, number, self.values[number])
            allowed = tolerance(backbone.dtype) * float(true.abs().max())
            if not float((found - true).abs().max()) <= allowed:
                raise BadModel(
                    f"{backbone.name}: in layer {number} the neurons' values are not their activation function of what "
                    "the in-weights give, or they are changed at all positions; use hook 'post'"
                )


def without_inward(backbone: Backbone) -> str:
    """Why what stands before a model's activation functions cannot be read or changed; "" where it can."""
    if backbone.experts > 1:
        return "a mixture of experts, of which only the chosen ones are computed"
    unknown = backbone.adapter.function is None and any(layer.activation is None for layer in backbone.layers)
    return "whose activation function is not known" if unknown else ""


def reading(backbone: Backbone, number: int, keep: Keep, keep_factor: Keep | None = None) -> list[Registration]:
    """Hooks that give away z of a layer, and what its activation is multiplied by where there is a gate."""
    layer = backbone.layers[number]
    kept = keep_factor or (lambda factor: None)

    def both(module: nn.Module, inputs: Any, output: Tensor) -> None:
        gate, up = output.chunk(2, dim=-1)
        kept(up)
        keep(gate)

    if backbone.adapter.fused:
        return [after(layer.up, both)]
    if layer.gate is None:
        return [after(layer.up, lambda module, inputs, output: keep(output))]
    return [
        after(layer.gate, lambda module, inputs, output: keep(output)),
        after(layer.up, lambda module, inputs, output: kept(output)),
    ]
