"""Degenerate pairs as clusters: how the pairs of 2024 fare as components of 2025."""

from __future__ import annotations

from factneurons.degeneracy.clusterers.base import Cluster, Clustering, Context
from factneurons.degeneracy.pairs import disjoint_pairs
from factneurons.degeneracy.settings import DegeneracySettings, PairSettings
from factneurons.models.questions import Asking


def pairs(context: Context, settings: DegeneracySettings) -> Asking[Clustering]:
    """The disjoint pairs of a "greedy_disjoint" search, as 'Cracking Factual Knowledge' (ACL 2025) compares with.

    Losses decide, not distances: of the neurons with the best scores, two that can each be spared but not both.
    """
    if len(context.neurons) < 2 * settings.smallest:
        return Clustering((), reason="too-few-neurons")
    yield from context.drops.measure()
    if not context.drops.probability > 0:
        return Clustering((), reason="zero-probability")
    number = {neuron: place for place, neuron in enumerate(context.neurons)}
    best_first = sorted(context.neurons, key=lambda neuron: (-context.scores[number[neuron]], neuron))
    found = yield from disjoint_pairs(best_first, context.drops, PairSettings(search="greedy_disjoint"))
    members = sorted(tuple(sorted(number[neuron] for neuron in pair)) for pair in found)
    clusters = tuple(Cluster(pair) for pair in members if len(pair) >= settings.smallest)
    return Clustering(clusters, reason="" if len(clusters) > 1 else "one-cluster")
