"""Grouping by measured interaction: which neurons stand in for each other, and which only work together.

In: losses of P(answer) by suppressed set. Out: groups of a fact's neurons.

Neurons of one component are complements and components are substitutes, so a component is a smallest set of the
fact's neurons that suffices. Such sets are found one after the other, each among the neurons that the earlier ones
leave over, by leaving out whatever can be spared:

    A suffices:   drop(N - A) <= t_sufficient      N: all neurons of the fact

Where only one such set exists, every neuron of it is needed. It is then cut into stages by what two of its neurons
cost, L being the loss in log-odds of P(answer): neurons that contribute side by side lose L(i) + L(j) together; of
neurons that work through each other, either one loses what both do.

    gating(i, j) = (L(i) + L(j) - L({i, j})) / min(L(i), L(j))      0: side by side, 1: through each other

Sets asked of the model: about twice the number of neurons for each round of leaving out, and n^2 / 2 pairs of the n
neurons of a single sufficient set.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from factneurons.degeneracy.clusterers import Cluster, Clustering, Context
from factneurons.degeneracy.functional import Drops, NeuronSet
from factneurons.degeneracy.settings import DegeneracySettings
from factneurons.models.types import Neuron

FloatArray = npt.NDArray[np.float64]

STAGE_GATING = 0.5
"""Neurons whose mean gating is below stand side by side in one stage."""

_MOST_PAIRED = 100
"""A sufficient set of more neurons is not cut into stages: pairs would cost too much."""

_LEAST = 1e-12


def interaction(context: Context, settings: DegeneracySettings) -> Clustering:
    """Group a fact's neurons by which of them are sufficient together."""
    if len(context.neurons) < 2:
        return Clustering((), reason="too-few-neurons")
    everything = frozenset(context.neurons)
    if not context.drops.probability > 0:
        return Clustering((), reason="zero-probability")
    if context.drops.of(everything) < settings.t_high:
        return Clustering((), reason="not-jointly-needed")
    groups = sufficient_sets(everything, context.drops, settings.t_sufficient)
    if len(groups) == 1:
        groups = stages(groups[0], context.drops, settings.min_size)
    number = {neuron: place for place, neuron in enumerate(context.neurons)}
    clusters = sorted(tuple(sorted(number[neuron] for neuron in group)) for group in groups)
    return Clustering(
        tuple(Cluster(members) for members in clusters), reason="" if len(clusters) > 1 else "one-cluster"
    )


def sufficient_sets(everything: NeuronSet, drops: Drops, most_lost: float) -> list[NeuronSet]:
    """Disjoint sets of neurons, each of them sufficient and without a neuron to spare, until no more are left.

    Args:
        everything: all neurons of the fact.
        drops: measured losses.
        most_lost: a set suffices if no more than this share of P(answer) is lost without the others.
    """
    found: list[NeuronSet] = []
    left = everything
    while left and drops.of(everything - left) <= most_lost:
        smallest = _without_spare(left, everything, drops, most_lost)
        if not smallest:
            break
        found.append(smallest)
        left -= smallest
    return found


def _without_spare(left: NeuronSet, everything: NeuronSet, drops: Drops, most_lost: float) -> NeuronSet:
    """Leave out neurons of a sufficient set, those that cost least first, as many at once as can be spared."""
    while left:
        order = sorted(left)
        lost = drops([everything - (left - {neuron}) for neuron in order])
        spare = [order[place] for place in np.argsort(lost, kind="stable") if lost[place] <= most_lost]
        if not spare:
            break
        steps = [left - frozenset(spare[: count + 1]) for count in range(len(spare))]
        kept = drops([everything - step for step in steps]) <= most_lost
        left = steps[int(np.argmin(kept)) - 1 if not kept.all() else len(steps) - 1]
    return left


def stages(needed: NeuronSet, drops: Drops, min_size: int) -> list[NeuronSet]:
    """Cut a set of neurons that are all needed into groups that work through each other.

    Single neurons that work through each other are a chain, and a chain is one component: without two stages of
    `min_size` neurons the set stays whole.
    """
    neurons = sorted(needed)
    if not 2 <= len(neurons) <= _MOST_PAIRED:
        return [needed]
    gating = gating_matrix(neurons, drops)
    labels = fcluster(linkage(squareform(gating, checks=False), "average"), STAGE_GATING, "distance")
    found = [
        frozenset(neuron for neuron, own in zip(neurons, labels, strict=True) if own == label)
        for label in np.unique(labels)
    ]
    return found if sum(len(stage) >= min_size for stage in found) > 1 else [needed]


def gating_matrix(neurons: Sequence[Neuron], drops: Drops) -> FloatArray:
    """How much two neurons work through each other, [n, n], from 0 (side by side) to 1; 0 on the diagonal."""
    pairs = list(combinations(range(len(neurons)), 2))
    singles = log_odds_lost(drops, [frozenset({neuron}) for neuron in neurons])
    both = log_odds_lost(drops, [frozenset({neurons[i], neurons[j]}) for i, j in pairs])
    matrix = np.zeros((len(neurons), len(neurons)))
    for (i, j), joint in zip(pairs, both, strict=True):
        least = max(min(singles[i], singles[j]), _LEAST)
        matrix[i, j] = matrix[j, i] = np.clip((singles[i] + singles[j] - joint) / least, 0.0, 1.0)
    return matrix


def log_odds_lost(drops: Drops, sets: Sequence[NeuronSet]) -> FloatArray:
    """How much the log-odds of P(answer) fall when each set is suppressed, in nats, [sets]."""
    left = drops.probability * (1 - drops(sets))
    lost: FloatArray = _log_odds(np.array(drops.probability)) - _log_odds(left)
    return lost


def _log_odds(probability: FloatArray) -> FloatArray:
    clipped = np.clip(probability, _LEAST, 1 - _LEAST)
    odds: FloatArray = np.log(clipped) - np.log1p(-clipped)
    return odds
