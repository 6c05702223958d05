"""The clusterers by their names: what each of them is given and what it returns.

In: a name. Out: a clusterer, imported when it is first used. A new one is a module with a function
(context, settings) -> Clustering, and one row of `CLUSTERERS`.

This module imports no other of the room, so that every one of them may import it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from factneurons.models.types import Neuron

if TYPE_CHECKING:
    from factneurons.degeneracy.functional import Drops
    from factneurons.degeneracy.mediation import PassedOn
    from factneurons.degeneracy.settings import DegeneracySettings

FloatArray = npt.NDArray[np.float64]


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
        drops: relative losses of P(answer) by suppressed set, measured when they are asked for. Where
            `drops.probability` is 0 no loss is defined.
        rng: random numbers of this fact's own, whatever the order of the facts.
        width: neurons per layer of the model.
        passed_on: which neurons work through which others, measured when it is asked for; None: it cannot be.
    """

    distances: FloatArray
    neurons: tuple[Neuron, ...]
    scores: tuple[float, ...]
    drops: Drops
    rng: np.random.Generator
    width: int
    passed_on: PassedOn | None = None


@dataclass(frozen=True, slots=True)
class Clusterer:
    """A way to group neurons.

    Attributes:
        place: "module.function" in this room.
        meaning: one line for help texts and docs.
    """

    place: str
    meaning: str

    def cluster(self, context: Context, settings: DegeneracySettings) -> Clustering:
        """The clusters of one fact's neurons, or the reason why there are fewer than two."""
        module, _, function = self.place.rpartition(".")
        found: Clustering = getattr(import_module(f"{__package__}.{module}"), function)(context, settings)
        return found


CLUSTERERS: dict[str, Clusterer] = {
    "ntc": Clusterer("topology.ntc", "neurological topology clustering"),
    "ntc_authors": Clusterer("topology.ntc_authors", "the same as it was released"),
    "hierarchical": Clusterer("comparison.hierarchical", "average linkage, cut at a quantile of all distances"),
    "dbscan": Clusterer("comparison.dbscan", "dense regions; what lies in none is left out"),
    "kmeans": Clusterer("comparison.kmeans", "k-means on the rows of the distance matrix"),
    "hdbscan": Clusterer("comparison.hdbscan", "dense regions of any density"),
    "pairs": Clusterer("pairs.pairs", "disjoint pairs that can each lose one neuron, but not both"),
    "interaction": Clusterer("interaction.interaction", "smallest sets that suffice, found by suppressing neurons"),
    "random": Clusterer("chance.random", "the fact's neurons dealt into parts as large as those of ntc"),
    "random_layers": Clusterer("chance.random_layers", "the same with neurons of the whole model, layer by layer"),
}
"""Every clusterer by its name in `DegeneracySettings.clusterer`."""
