"""What clusterers are given and return by default: no birth, no barcode, the fact's own neurons."""

from __future__ import annotations

import math

import numpy as np

from factneurons.degeneracy.clusterers.base import Cluster, Clusterer, Clustering
from factneurons.models.questions import answered, knowing


def test_a_cluster_without_a_tree_has_no_life():
    cluster = Cluster((0, 2))
    assert math.isnan(cluster.birth)
    assert math.isnan(cluster.death)
    assert cluster.chosen


def test_a_clusterer_is_a_function_with_a_meaning(context_of):
    context = context_of(np.zeros((4, 4)))
    assert context.mediated_effects is None
    halves = Clusterer(lambda context, settings: knowing(Clustering((Cluster((0, 1)), Cluster((2, 3))))), "two halves")
    found = answered(halves.cluster(context, None))
    assert [cluster.members for cluster in found.clusters] == [(0, 1), (2, 3)]
    assert (found.barcode, found.reason, found.neurons) == ((), "", None)
