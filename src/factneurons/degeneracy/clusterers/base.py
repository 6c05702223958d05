"""What every clusterer is given and what it returns."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from factneurons.attribution.drops import Drops
from factneurons.degeneracy.mediation import MediatedEffects
from factneurons.degeneracy.settings import DegeneracySettings
from factneurons.models.questions import Asking
from factneurons.models.types import FloatArray, Neuron


@dataclass(frozen=True, slots=True)
class Cluster:
    """Points that stand together.

    Attributes:
        members: their numbers, sorted.
        birth, death: the distances at which the cluster formed and merged; NaN where the clusterer has none.
        chosen: whether the clustering chose it; of interest in a barcode.
    """

    members: tuple[int, ...]
    birth: float = math.nan
    death: float = math.nan
    chosen: bool = True


@dataclass(frozen=True, slots=True)
class Clustering:
    """What a clusterer returns.

    Attributes:
        clusters: the disjoint clusters to be tested, sorted by their members.
        barcode: all clusters that formed, by rising birth; empty where the clusterer has none.
        reason: why there are fewer than two clusters, a key of `types.REASONS`; "" where there are two.
        neurons: what the members count, where these are not the fact's own neurons.
    """

    clusters: tuple[Cluster, ...]
    barcode: tuple[Cluster, ...] = ()
    reason: str = ""
    neurons: tuple[Neuron, ...] | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """What a clusterer may look at: one fact in one model.

    Attributes:
        distances: [n, n], symmetric, 0 on the diagonal, infinite where two neurons are not connected.
        neurons: the fact's n neurons, sorted.
        scores: their n attribution scores.
        drops: relative losses of P(answer) by suppressed set, to be measured before they are looked up. Where
            `drops.probability` is 0 no loss is defined.
        rng: random numbers of this fact's own, whatever the order of the facts.
        widths: neurons of each layer of the model.
        mediated_effects: which neurons work through which others, measured when it is asked for; None: it cannot be.
    """

    distances: FloatArray
    neurons: tuple[Neuron, ...]
    scores: tuple[float, ...]
    drops: Drops
    rng: np.random.Generator
    widths: Sequence[int]
    mediated_effects: MediatedEffects | None = None


@dataclass(frozen=True, slots=True)
class Clusterer:
    """A way to group neurons.

    Attributes:
        cluster: groups one fact's neurons, or says why there are fewer than two clusters.
        meaning: one line for help texts and docs.
    """

    cluster: Callable[[Context, DegeneracySettings], Asking[Clustering]]
    meaning: str
