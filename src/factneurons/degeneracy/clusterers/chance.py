"""Clusterers that know nothing: random parts as large as those of topology clustering.

What a method finds is worth something only if parts of the same sizes, taken at random, do not pass the same
tests. Where topology clustering finds fewer than two clusters, the parts are two halves of the fact's neurons.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from factneurons.degeneracy.clusterers.base import Cluster, Clustering, Context
from factneurons.degeneracy.clusterers.topology import ntc
from factneurons.degeneracy.settings import DegeneracySettings
from factneurons.models.types import Neuron


def random(context: Context, settings: DegeneracySettings) -> Clustering:
    """The fact's neurons dealt into as many parts, and as large ones, as topology clustering finds; else halves."""
    count = len(context.neurons)
    if count < 2 * settings.smallest:
        return Clustering((), reason="too-few-neurons")
    found = ntc(context, settings)
    sizes = [len(cluster.members) for cluster in found.clusters] if not found.reason else [count // 2, -(-count // 2)]
    dealt = context.rng.permutation(count)[: sum(sizes)]
    parts = np.split(dealt, np.cumsum(sizes)[:-1])
    return Clustering(tuple(Cluster(members) for members in sorted(tuple(sorted(part.tolist())) for part in parts)))


def random_layers(context: Context, settings: DegeneracySettings) -> Clustering:
    """The parts of topology clustering (else random halves) with every neuron replaced by any one of its layer.

    No neuron comes twice; the fact's own may come, as any other of the layer.
    """
    found = ntc(context, settings)
    if found.reason:
        found = random(context, settings)
    if found.reason:
        return found
    per_layer = Counter(neuron.layer for neuron in context.neurons)
    drawn = {
        layer: iter(context.rng.choice(context.widths[layer], size=count, replace=False).tolist())
        for layer, count in sorted(per_layer.items())
    }
    strangers = tuple(Neuron(neuron.layer, next(drawn[neuron.layer])) for neuron in context.neurons)
    clusters = tuple(Cluster(cluster.members) for cluster in found.clusters)
    return Clustering(clusters, neurons=strangers)
