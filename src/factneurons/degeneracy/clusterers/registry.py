"""The clusterers by their names. A new one is a module with a function, a row here, and its name in the settings."""

from __future__ import annotations

from factneurons.degeneracy.clusterers import chance, comparison, interaction, pairs, topology
from factneurons.degeneracy.clusterers.base import Clusterer
from factneurons.degeneracy.settings import ClustererName

CLUSTERERS: dict[ClustererName, Clusterer] = {
    "ntc": Clusterer(topology.ntc, "neurological topology clustering"),
    "ntc_authors": Clusterer(topology.ntc_authors, "the same as it was released"),
    "hierarchical": Clusterer(comparison.hierarchical, "average linkage, cut at a quantile of all distances"),
    "dbscan": Clusterer(comparison.dbscan, "dense regions; what lies in none is left out"),
    "kmeans": Clusterer(comparison.kmeans, "k-means on the rows of the distance matrix"),
    "hdbscan": Clusterer(comparison.hdbscan, "dense regions of any density"),
    "pairs": Clusterer(pairs.pairs, "disjoint pairs that can each lose one neuron, but not both"),
    "interaction": Clusterer(interaction.interaction, "smallest sets that suffice, found by suppressing neurons"),
    "random": Clusterer(chance.random, "the fact's neurons dealt into parts as large as those of ntc"),
    "random_layers": Clusterer(chance.random_layers, "the same with neurons of the whole model, layer by layer"),
}
"""Every clusterer by its name in `DegeneracySettings.clusterer`."""
