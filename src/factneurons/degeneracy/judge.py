"""How a fact is stored: the verdict over its groups of neurons, with what it rests on.

In: a fact's neurons, groups of them from any clusterer, measured losses, and which groups carry other facts. Out:

    degenerate        two or more groups suffice each, are units, and carry other facts too
    redundant         the same, but a group carries nothing else
    interchangeable   two or more groups suffice, but their neurons could be grouped in any way
    conjunctive       every group is needed, and each works only through the others
    shared, single    one group; a shared one carries other facts too
    none              suppressing all neurons loses too little: the fact is not in them
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from factneurons.degeneracy.carrying import Carries
from factneurons.degeneracy.clusterers.interaction import log_odds_lost
from factneurons.degeneracy.control import Control, partition_control
from factneurons.degeneracy.functional import Drops, NeuronSet, functional_filter, union
from factneurons.degeneracy.settings import DegeneracySettings
from factneurons.degeneracy.types import StorageVerdict

NEEDED = 0.7
"""A stage of a conjunctive fact costs on average at least this share of what all cost, in log-odds."""


@dataclass(frozen=True, slots=True)
class Storage:
    """How a fact is stored.

    Attributes:
        verdict: in one word, see this module.
        groups: the groups that the verdict speaks of.
        reason: why the groups are no components of a degenerate knowledge neuron; "" where they are or may be.
        controls: what random partitions are drawn from -> how the components compare; empty without components.
        evidence: further numbers it rests on: a name of `types.DETAILS` -> a number.
    """

    verdict: StorageVerdict
    groups: tuple[NeuronSet, ...]
    reason: str = ""
    controls: Mapping[str, Control] = field(default_factory=dict)
    evidence: Mapping[str, float] = field(default_factory=dict)


def storage_of(
    neurons: NeuronSet,
    groups: Sequence[NeuronSet],
    drops: Drops,
    carries: Carries,
    settings: DegeneracySettings,
    *,
    fact_key: str,
) -> Storage:
    """The verdict over one fact whose P(answer) is not 0.

    Args:
        neurons: all neurons of the fact.
        groups: disjoint groups of them; none where a clusterer found none.
        drops: measured losses.
        carries: whether a group carries other facts.
        settings: the thresholds of the functional tests, partitions and the seed.
        fact_key: makes the draws of every fact its own.
    """
    passed, reason = functional_filter(groups, drops, settings) if len(groups) > 1 else ((), "one-cluster")
    if passed:
        return _substitutes(neurons, passed, drops, carries, settings, fact_key)
    if not neurons or drops.of(neurons) < settings.t_high:
        return Storage("none", (), reason)
    share = _share_of_each(neurons, groups, drops) if len(groups) > 1 else math.nan
    if share >= NEEDED:
        return Storage("conjunctive", tuple(groups), reason, evidence={"share_of_each": share})
    one = groups[0] if len(groups) == 1 else neurons
    verdict: StorageVerdict = "shared" if carries(one) else "single"
    return Storage(verdict, (one,), reason, evidence={} if math.isnan(share) else {"share_of_each": share})


def _substitutes(
    neurons: NeuronSet,
    passed: tuple[NeuronSet, ...],
    drops: Drops,
    carries: Carries,
    settings: DegeneracySettings,
    fact_key: str,
) -> Storage:
    pools = {"knowledge": neurons | union(passed), "components": union(passed)}
    controls = {
        null: partition_control(passed, sorted(pool), drops, settings, fact_key=fact_key)
        for null, pool in pools.items()
    }
    carrying = [carries(group) for group in passed]
    evidence = {"carry_others": float(np.mean(carrying))}
    if not controls[settings.null].real(drops.of(union(passed))):
        return Storage("interchangeable", passed, "", controls, evidence)
    return Storage("degenerate" if all(carrying) else "redundant", passed, "", controls, evidence)


def _share_of_each(neurons: NeuronSet, groups: Sequence[NeuronSet], drops: Drops) -> float:
    """The mean loss without one group, as a share of the loss without all neurons, in log-odds."""
    *each, everything = log_odds_lost(drops, [*groups, neurons])
    return float(np.mean(each)) / float(everything) if everything > 0 else math.nan
