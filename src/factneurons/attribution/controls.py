"""Random neurons to compare with: of the same layers and about the same strength as the found ones.

For each found neuron one of the same layer, not found itself, from the same decile of |value| x |out-weights|
on the query: neurons that are silent on a prompt would make any comparison look good. Where more than a decile of a
layer are silent (experts that were not chosen, a ReLU), deciles are those of the others. The released code of
'Cracking Factual Knowledge' (ACL 2025) draws from all neurons alike, with replacement.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from factneurons.draws import random_numbers
from factneurons.errors import NotAskable
from factneurons.models.model import Model
from factneurons.models.neurons import out_norms
from factneurons.models.types import Neuron, Query

_DECILES = 10
Strengths = npt.NDArray[np.floating]


def strengths(model: Model, queries: Sequence[Query]) -> Strengths:
    """|value| x |out-weights| of every neuron, mean over the queries, [layers, width]; NaN where there is none."""
    values: Strengths = np.abs(model.activations(queries)).mean(0) * out_norms(model.backbone)
    return values


def matched_random(
    strength: Strengths, neurons: Iterable[Neuron], *, draws: int, seed: int, name: str
) -> list[tuple[Neuron, ...]]:
    """Random sets matched to found neurons in size, layers and strength.

    Args:
        strength: [layers, width], from `strengths`.
        neurons: the found neurons.
        draws: how many sets.
        seed: with `name`, decides the draws, whatever else is computed before.
        name: for instance the fact's key.

    Returns:
        `draws` sets; no set holds a found neuron or a neuron twice.

    Raises:
        NotAskable: a layer has fewer other neurons than were found in it.
    """
    found = set(neurons)
    by_layer: dict[int, list[int]] = defaultdict(list)
    for neuron in sorted(found):
        by_layer[neuron.layer].append(neuron.index)
    generator = random_numbers(f"{seed}/{name}")
    layers = [_Pool(strength[layer], layer, indices) for layer, indices in by_layer.items()]
    return [tuple(neuron for pool in layers for neuron in pool.draw(generator)) for _ in range(draws)]


def uniform_random(
    strength: Strengths, neurons: Iterable[Neuron], *, draws: int, seed: int, name: str
) -> list[tuple[Neuron, ...]]:
    """As many neurons as were found, from any layer, found ones too; one that is drawn twice stands there once.

    Arguments and returns as of `matched_random`.
    """
    generator = random_numbers(f"{seed}/{name}")
    every = np.argwhere(np.isfinite(strength))
    places = generator.integers(len(every), size=(draws, len(set(neurons))))
    return [tuple(dict.fromkeys(Neuron(*place) for place in every[own].tolist())) for own in places]


CONTROLS = {"matched": matched_random, "authors": uniform_random}
"""How random neurons are drawn, by the names of `settings.CONTROL_NAMES`."""


class _Pool:
    """The neurons of one layer that may stand in for those found in it."""

    def __init__(self, strength: Strengths, layer: int, indices: list[int]) -> None:
        strength = strength[np.isfinite(strength)]  # a layer narrower than others has fewer neurons
        width = len(strength)
        if width < 2 * len(indices):
            raise NotAskable(
                "too-few-other-neurons",
                f"layer {layer} has {width} neurons, {len(indices)} of them found: too few others to compare with",
            )
        self._layer = layer
        quiet = strength == 0
        quiet &= np.count_nonzero(quiet) > width // _DECILES
        silent = int(np.count_nonzero(quiet))
        order = np.empty(width, dtype=np.int64)
        order[np.argsort(strength, kind="stable")] = np.arange(width) - silent
        self._decile = order * _DECILES // max(width - silent, 1)
        self._decile[quiet] = -_DECILES  # they stand for another one only where nothing else is left
        self._wanted = self._decile[indices]
        self._others = np.setdiff1d(np.arange(width), indices)

    def draw(self, generator: np.random.Generator) -> list[Neuron]:
        """One neuron for each found one, the nearest decile first where the own one is used up."""
        free = generator.permutation(self._others)
        taken: list[Neuron] = []
        for wanted in self._wanted:
            place = int(np.argmin(np.abs(self._decile[free] - wanted)))
            taken.append(Neuron(self._layer, int(free[place])))
            free = np.delete(free, place)
        return taken
