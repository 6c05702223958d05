"""Which neurons a model has, and their weights as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn

from factneurons.errors import BadSetting
from factneurons.models.adapters import matrix, sizes, weights_of
from factneurons.models.backbone import Backbone
from factneurons.models.types import FloatArray, Neuron


def existing(backbone: Backbone, neurons: Iterable[tuple[int, int]]) -> list[Neuron]:
    """The neurons as they are given.

    Raises:
        BadSetting: a layer or an index the model does not have.
    """
    result = [Neuron(*neuron) for neuron in neurons]
    layers, widths = backbone.layer_count, backbone.widths
    for layer, index in result:
        if not 0 <= layer < layers or not 0 <= index < widths[layer]:
            width = widths[layer] if 0 <= layer < layers else backbone.width
            raise BadSetting(
                f"{backbone.name} has no neuron ({layer}, {index}): layers are 0 to {layers - 1}, indices 0 to "
                f"{width - 1}"
            )
    return result


def checked(backbone: Backbone, neurons: Iterable[tuple[int, int]]) -> list[Neuron]:
    """The neurons, each once, in order.

    Raises:
        BadSetting: a layer or an index the model does not have.
    """
    return list(dict.fromkeys(existing(backbone, neurons)))


_Read = Callable[[nn.Module], Tensor]


def out_views(backbone: Backbone, neuron: Neuron, read: _Read = matrix) -> list[Tensor]:
    """A view of what one unit of a neuron writes, [hidden]: one column of the down-projection."""
    return [read(backbone.layers[neuron.layer].down).detach()[:, neuron.index]]


def in_views(backbone: Backbone, neuron: Neuron, read: _Read = matrix) -> list[Tensor]:
    """Views of what a neuron reads, each [hidden]: of the gate (where there is one), then of the up-projection."""
    layer = backbone.layers[neuron.layer]
    up = read(layer.up).detach()
    if backbone.adapter.fused:
        return [up[neuron.index], up[sizes(layer.down)[0] + neuron.index]]
    gate = [] if layer.gate is None else [read(layer.gate).detach()[neuron.index]]
    return [*gate, up[neuron.index]]


def out_weights(backbone: Backbone, neurons: Iterable[tuple[int, int]]) -> FloatArray:
    """What one unit of each neuron writes to the residual stream, [neurons, hidden]."""
    read = cache(weights_of)  # each matrix once: quantised ones take their time
    return _stacked([out_views(backbone, n, read)[0] for n in existing(backbone, neurons)], (0, backbone.hidden_size))


def in_weights(backbone: Backbone, neurons: Iterable[tuple[int, int]]) -> FloatArray:
    """What each neuron reads, [neurons, parts, hidden]: one part, or the gate's and then the up-projection's."""
    parts, read = 2 if backbone.adapter.gated else 1, cache(weights_of)
    views = [torch.stack(in_views(backbone, neuron, read)) for neuron in existing(backbone, neurons)]
    return _stacked(views, (0, parts, backbone.hidden_size))


def out_norms(backbone: Backbone) -> FloatArray:
    """The length of every neuron's out-weights, [layers, width]; NaN where a narrower layer has none."""
    found = np.full((backbone.layer_count, backbone.width), np.nan)
    for row, layer in zip(found, backbone.layers, strict=True):
        norms = weights_of(layer.down).detach().float().norm(dim=0)
        row[: len(norms)] = norms.double().cpu().numpy()
    return found


def as_rows(values: Sequence[Tensor], width: int) -> Tensor:
    """What layers have for each neuron, [..., own width], as one tensor [..., layers, width] that ends in zeros."""
    padded = [torch.nn.functional.pad(value, (0, width - value.shape[-1])) for value in values]
    return torch.stack(padded, -2)


def _stacked(views: Sequence[Tensor], empty: tuple[int, ...]) -> FloatArray:
    if not views:
        return np.empty(empty)
    found: FloatArray = torch.stack([view.detach().cpu() for view in views]).double().numpy()
    return found
