"""How large a connection weight is by chance: the unit of distances that compare across layers and models.

In: a model. Out: per layer gap the standard deviation of w between random neurons that many layers apart.

Weights grow and shrink with depth and width, and so do distances. In units of this deviation a weight of 1 is
one that two neurons of these layers have by chance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from factneurons.degeneracy.distances import ready_vectors
from factneurons.degeneracy.settings import DegeneracySettings
from factneurons.errors import BadNumber
from factneurons.models.backbone import Backbone
from factneurons.models.types import Neuron

FloatArray = npt.NDArray[np.float64]

PAIRS = 512
"""So many random pairs of neurons are looked at per layer gap."""


class WeightModel(Protocol):
    """What of a model is used here."""

    @property
    def layer_count(self) -> int:
        """The number of layers."""

    @property
    def width(self) -> int:
        """Neurons per layer."""

    def out_weights(self, neurons: Sequence[Neuron]) -> FloatArray:
        """[n, d], what one unit of each neuron writes."""

    def in_weights(self, neurons: Sequence[Neuron]) -> FloatArray:
        """[n, parts, d], what each neuron reads."""

    @property
    def backbone(self) -> Backbone:
        """Which layers belong to an encoder, and the gains of the normalisations that MLPs read through."""


class GapUnits:
    """Standard deviations of connection weights by layer gap, each measured once, when it is first asked for.

    Args:
        model: where random neurons are drawn from.
        settings: gate, similarity, fold_norm_gain and seed are read.
    """

    def __init__(self, model: WeightModel, settings: DegeneracySettings) -> None:
        self._model = model
        self._settings = settings
        self._measured: dict[int, float] = {}

    def __call__(self, gap: int) -> float:
        """The standard deviation of w over random pairs that are `gap` layers apart, at least 1.

        With a gate and an up-projection it is the root of the sum of both variances, as |w| is that of squares.

        Raises:
            BadNumber: it is 0, so that no weight can be measured in it.
        """
        if gap not in self._measured:
            self._measured[gap] = self._measure(gap)
        return self._measured[gap]

    def _measure(self, gap: int) -> float:
        model, settings = self._model, self._settings
        rng = np.random.default_rng([settings.seed, gap])
        layers = range(model.layer_count - gap)
        in_encoder = model.backbone.in_encoder
        lower = rng.choice([layer for layer in layers if in_encoder(layer) == in_encoder(layer + gap)], PAIRS)
        from_, to = rng.integers(model.width, size=(2, PAIRS))
        read = model.in_weights(_neurons(lower + gap, to))
        if settings.fold_norm_gain:
            read = read * np.stack([model.backbone.norm_gain(layer) for layer in (lower + gap).tolist()])[:, None]
        write = model.out_weights(_neurons(lower, from_))
        out, *parts = ready_vectors(write, read, gate=settings.gate, similarity=settings.similarity)
        deviation = math.hypot(*(float(np.std((out * part).sum(axis=1))) for part in parts))
        if not deviation > 0:
            raise BadNumber(
                f"random neurons {gap} layers apart have connection weights that do not differ, so scale = "
                '"layer-gap" has no unit; use scale = "none"'
            )
        return deviation


def _neurons(layers: npt.NDArray[np.int64], indices: npt.NDArray[np.int64]) -> list[Neuron]:
    return [Neuron(layer, index) for layer, index in zip(layers.tolist(), indices.tolist(), strict=True)]
