"""A model with more neurons: new ones that do nothing yet stand at random places among the old ones.

What the model did before it does still, so what is planted in the new neurons costs nothing that was known.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from factneurons.errors import BadModel
from factneurons.models.adapters import Layer, layers_of, matrix
from factneurons.models.backbone import Backbone
from factneurons.models.model import Model
from factneurons.models.types import Neuron

WIDTH_FIELDS = {"bert": "intermediate_size", "gpt2": "n_inner", "llama": "intermediate_size"}
"""Family -> the field of its configuration that holds the neurons per layer. Planting is for these families."""


def width_field(model: Model) -> str:
    """The field of a model's configuration that holds the neurons per layer.

    Raises:
        BadModel: a family whose configuration is not known, see `WIDTH_FIELDS`.
    """
    family = str(model.backbone.module.config.model_type)
    if family not in WIDTH_FIELDS:
        raise BadModel(f"{model.name}: facts can be planted in {', '.join(WIDTH_FIELDS)} models, not in {family}")
    return WIDTH_FIELDS[family]


def widened(model: Model, extra: int, seed: int) -> tuple[Model, tuple[tuple[Neuron, ...], ...]]:
    """A copy of a model with more neurons in every layer, and the new neurons per layer.

    The new neurons have weights of zero; where they stand is drawn with the seed.

    Raises:
        BadModel: a family whose configuration is not known, see `WIDTH_FIELDS`.
    """
    field = width_field(model)
    backbone = model.backbone
    config = copy.deepcopy(backbone.module.config)
    setattr(config, field, model.width + extra)
    config._attn_implementation = backbone.module.config._attn_implementation
    module = type(backbone.module)(config).to(backbone.device, backbone.dtype)
    rng = np.random.default_rng([seed, 1])
    places = [rng.permutation(model.width + extra) for _ in range(model.layer_count)]
    _copy(backbone, module, [torch.as_tensor(order[: model.width]) for order in places])
    new = tuple(
        tuple(Neuron(layer, int(place)) for place in order[model.width :]) for layer, order in enumerate(places)
    )
    return Model(module, backbone.tokenizer, name=model.name, kind=model.kind, adapter=backbone.adapter), new


@torch.no_grad()
def _copy(backbone: Backbone, module: nn.Module, places: Sequence[Tensor]) -> None:
    old, new = dict(backbone.module.named_parameters()), dict(module.named_parameters())
    for name, parameter in old.items():
        if parameter.shape == new[name].shape:
            new[name].copy_(parameter)
    for source, target, rows in zip(backbone.layers, layers_of(module, backbone.adapter), places, strict=True):
        for name, from_, to in _projections(source, target):
            view = matrix(to)
            view.zero_()
            if name == "down":
                view[:, rows] = matrix(from_)
                continue
            view[rows] = matrix(from_)
            if getattr(to, "bias", None) is not None:
                to.bias.zero_()
                to.bias[rows] = from_.bias


def _projections(source: Layer, target: Layer) -> Iterator[tuple[str, Any, Any]]:
    for name in ("up", "gate", "down"):
        if getattr(source, name) is not None:
            yield name, getattr(source, name), getattr(target, name)
