"""The clusterers by their names. A new one is a module with a function, a row here, and its name in the settings."""

from __future__ import annotations

from collections.abc import Callable

from factneurons.degeneracy.clusterers import chance, comparison, interaction, pairs, topology
from factneurons.degeneracy.clusterers.base import Clusterer, Clustering, Context
from factneurons.degeneracy.settings import ClustererName, DegeneracySettings
from factneurons.models.questions import Asking, knowing


def _looking(
    cluster: Callable[[Context, DegeneracySettings], Clustering],
) -> Callable[[Context, DegeneracySettings], Asking[Clustering]]:
    """A clusterer that asks the model nothing."""
    return lambda context, settings: knowing(cluster(context, settings))


CLUSTERERS: dict[ClustererName, Clusterer] = {
    "ntc": Clusterer(_looking(topology.ntc), "neurological topology clustering"),
    "ntc_authors": Clusterer(_looking(topology.ntc_authors), "the same as it was released"),
    "hierarchical": Clusterer(_looking(comparison.hierarchical), "average linkage, cut at a quantile of all distances"),
    "dbscan": Clusterer(_looking(comparison.dbscan), "dense regions; what lies in none is left out"),
    "kmeans": Clusterer(_looking(comparison.kmeans), "k-means on the rows of the distance matrix"),
    "hdbscan": Clusterer(_looking(comparison.hdbscan), "dense regions of any density"),
    "pairs": Clusterer(pairs.pairs, "disjoint pairs that can each lose one neuron, but not both"),
    "interaction": Clusterer(interaction.interaction, "smallest sets that suffice, found by suppressing neurons"),
    "random": Clusterer(_looking(chance.random), "the fact's neurons dealt into parts as large as those of ntc"),
    "random_layers": Clusterer(
        _looking(chance.random_layers), "the same with neurons of the whole model, layer by layer"
    ),
}
"""Every clusterer by its name in `DegeneracySettings.clusterer`."""


def clusterer_of(estimator: comparison.Estimator) -> Clusterer:
    """A clusterer that an object of scikit-learn or like one makes (`comparison.estimated`)."""
    return Clusterer(_looking(comparison.estimated(estimator)), str(estimator))
