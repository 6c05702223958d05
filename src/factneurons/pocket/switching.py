"""Two groups of neurons, one of which is switched off for a part of the training examples.

Every layer's neurons are halved at random. A fact that is to be known whichever group is off has to be stored in both:
its neurons become degenerate by themselves, and which of a group's neurons carry it nobody chose.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from factneurons.models.adapters import layers_of
from factneurons.models.hooks import Registration, before
from factneurons.models.structure import find_adapter
from factneurons.pocket.recipe import PocketRecipe

_GROUPS, _OFF = 7, 8  # streams of draws of their own


def first_groups(recipe: PocketRecipe) -> list[Tensor]:
    """Of every layer, which neurons are in the first group: half of them, [neurons], bool."""
    shape = recipe.shape
    rng = np.random.default_rng([recipe.seed, _GROUPS])
    return [torch.as_tensor(rng.permutation(shape.neurons) < shape.neurons // 2) for _ in range(shape.layers)]


def drawn_groups(recipe: PocketRecipe, examples: int, step: int) -> Tensor:
    """Which group is off for every example of a step, [examples]: 0 none, 1 the first, 2 the second."""
    rng = np.random.default_rng([recipe.seed, _OFF, step])
    off = rng.integers(1, 3, size=examples) * (rng.random(examples) < recipe.switched)
    return torch.as_tensor(off)


def switching(module: nn.Module, first: Sequence[Tensor], off: Tensor) -> list[Registration]:
    """Hooks that silence a group's neurons in a pass, at all positions of a row.

    Args:
        module: a model.
        first: what `first_groups` returned.
        off: [rows], as `drawn_groups` returns it.
    """
    layers = layers_of(module, find_adapter(module))
    return [before(layer.down, _silencing(own, off)) for layer, own in zip(layers, first, strict=True)]


def _silencing(first: Tensor, off: Tensor) -> Callable[[nn.Module, tuple[Tensor]], tuple[Tensor]]:
    in_group = torch.where(first, 1, 2)
    on = (in_group[None] != off[:, None]).float()[:, None]  # [rows, 1, neurons]

    def hook(_: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
        return (inputs[0] * on,)

    return hook
