"""Grouping by measured interaction: which neurons stand in for each other, and which only work together.

In: losses of P(answer) by suppressed set. Out: groups of a fact's neurons.

Neurons of one component are complements and components are substitutes, so a component is a smallest set of the
fact's neurons that suffices. Such sets are found one after the other, each among the neurons that the earlier ones
leave over, by leaving out whatever can be spared:

    A suffices:   drop(N - A) <= t_sufficient      N: all neurons of the fact

What can be spared and yet costs something joins the set that misses it most.

Where only one such set exists, every neuron of it is needed. It is then cut into stages by mediation: a neuron
belongs to the stage above those that it needs to be active at all (`mediation.mediated_effects`).

    stage(j) = 1 + largest stage(i) over all i that mediate more than 0.1 of j;  0 where there is none

Sets asked of the model: about twice the number of neurons for each round of leaving out, and one for each neuron of a
single sufficient set. Groups of fewer than `min_size` neurons are left out, if it is given.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from factneurons.attribution.drops import Drops, NeuronSet, log_odds_lost
from factneurons.attribution.sufficient import sufficient_sets
from factneurons.degeneracy.clusterers.base import Cluster, Clustering, Context
from factneurons.degeneracy.mediation import MediatedEffects
from factneurons.degeneracy.settings import DegeneracySettings
from factneurons.models.questions import Asking
from factneurons.models.types import Neuron

MEDIATED = 0.1
"""A neuron needs another that mediates more than this share of its value."""

HELPS = 0.03
"""A neuron helps a group that loses at least this share of its log-odds without it."""

_MOST_STAGED = 200
"""A sufficient set of more neurons is not cut into stages: each of them costs a pass of its own."""

_LEAST = 1e-12


def interaction(context: Context, settings: DegeneracySettings) -> Asking[Clustering]:
    """Group a fact's neurons by which of them are sufficient together."""
    if len(context.neurons) < 2:
        return Clustering((), reason="too-few-neurons")
    everything = frozenset(context.neurons)
    yield from context.drops.measure([everything])
    if not context.drops.probability > 0:
        return Clustering((), reason="zero-probability")
    if context.drops.of(everything) < settings.t_high:
        return Clustering((), reason="not-jointly-needed")
    groups = yield from sufficient_sets(everything, context.drops, settings.t_sufficient)
    groups = yield from with_helpers(groups, everything, context.drops)
    if len(groups) == 1 and context.mediated_effects is not None and len(groups[0]) <= _MOST_STAGED:
        groups = yield from stages(sorted(groups[0]), context.mediated_effects, settings.smallest)
    number = {neuron: place for place, neuron in enumerate(context.neurons)}
    large = [group for group in groups if len(group) >= (settings.min_size or 1)]
    clusters = sorted(tuple(sorted(number[neuron] for neuron in group)) for group in large)
    return Clustering(
        tuple(Cluster(members) for members in clusters), reason="" if len(clusters) > 1 else "one-cluster"
    )


def with_helpers(groups: Sequence[NeuronSet], everything: NeuronSet, drops: Drops) -> Asking[list[NeuronSet]]:
    """Add what can be spared and yet helps: each neuron left over joins the group that misses it most.

    A group misses a neuron if, without all other groups, losing it costs at least `HELPS` of what losing the group and
    everything left over costs, in log-odds of P(answer).
    """
    helpers = sorted(everything.difference(*groups))
    if not helpers or not groups:
        return list(groups)
    missed = np.empty((len(groups), len(helpers)))
    for row, group in enumerate(groups):
        others = frozenset[Neuron]().union(*groups) - group
        sets = [everything, others, *(others | {helper} for helper in helpers)]
        yield from drops.measure(sets)
        without, alone, *each = log_odds_lost(drops, sets)
        missed[row] = (np.array(each) - alone) / max(float(without - alone), _LEAST)
    best = missed.argmax(axis=0)
    return [
        group | {helper for place, helper in enumerate(helpers) if best[place] == row and missed[row, place] >= HELPS}
        for row, group in enumerate(groups)
    ]


def stages(needed: Sequence[Neuron], mediated_effects: MediatedEffects, min_size: int) -> Asking[list[NeuronSet]]:
    """Cut neurons that are all needed into groups that work through each other, the lowest first.

    Single neurons that work through each other are a chain, and a chain is one component: without a stage of `min_size`
    neurons the set stays whole.
    """
    effects = yield from mediated_effects(needed)
    depth = depths(effects > MEDIATED)
    found = [
        frozenset(neuron for neuron, own in zip(needed, depth, strict=True) if own == stage)
        for stage in sorted({*depth})
    ]
    return found if any(len(stage) >= min_size for stage in found) else [frozenset(needed)]


def depths(needs: npt.NDArray[np.bool_]) -> list[int]:
    """How many neurons deep each one stands, where `needs[i, j]` says that j needs i.

    Args:
        needs: [n, n], without circles: neurons only need neurons of lower layers.
    """
    depth = [0] * len(needs)
    for _ in range(len(needs)):
        deeper = [max((depth[i] + 1 for i in np.flatnonzero(needs[:, j])), default=0) for j in range(len(needs))]
        if deeper == depth:
            break
        depth = deeper
    return depth
