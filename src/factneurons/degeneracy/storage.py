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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from factneurons.degeneracy.control import drop_halves, halves_lose_as_much
from factneurons.degeneracy.functional import Drops, NeuronSet, functional_filter, union
from factneurons.degeneracy.interaction import log_odds_lost
from factneurons.degeneracy.settings import DegeneracySettings

StorageVerdict = Literal["degenerate", "redundant", "interchangeable", "conjunctive", "shared", "single", "none"]

NEEDED = 0.7
"""A stage of a conjunctive fact costs on average at least this share of what all cost, in log-odds."""

Carries = Callable[[NeuronSet], bool]
"""Whether a group of neurons carries a fact other than this one."""


@dataclass(frozen=True, slots=True)
class Storage:
    """How a fact is stored.

    Attributes:
        verdict: in one word, see this module.
        components: the groups that the verdict speaks of.
        evidence: the numbers it rests on: a name -> a number.
    """

    verdict: StorageVerdict
    components: tuple[NeuronSet, ...]
    evidence: Mapping[str, float] = field(default_factory=dict)


def storage_of(
    neurons: NeuronSet,
    groups: Sequence[NeuronSet],
    drops: Drops,
    carries: Carries,
    settings: DegeneracySettings,
) -> Storage:
    """The verdict over one fact.

    Args:
        neurons: all neurons of the fact.
        groups: disjoint groups of them; none where a clusterer found none.
        drops: measured losses.
        carries: whether a group carries other facts.
        settings: the thresholds of the functional tests, and the seed.
    """
    lost = drops.of(neurons) if neurons else 0.0
    if lost < settings.t_high:
        return Storage("none", (), {"drop_all": lost})
    passed, _ = functional_filter(groups, drops, settings) if len(groups) > 1 else ((), "")
    if passed:
        return _substitutes(passed, drops, carries, settings)
    share = _share_of_each(neurons, groups, drops) if len(groups) > 1 else math.nan
    if share >= NEEDED:
        return Storage("conjunctive", tuple(groups), {"drop_all": lost, "share_of_each": share})
    one = groups[0] if len(groups) == 1 else neurons
    evidence = {"drop_all": lost, "share_of_each": share}
    return Storage("shared" if carries(one) else "single", (one,), evidence)


def _substitutes(
    passed: tuple[NeuronSet, ...], drops: Drops, carries: Carries, settings: DegeneracySettings
) -> Storage:
    lost = drops.of(union(passed))
    halves = drop_halves(passed, drops, np.random.default_rng(settings.seed))
    carrying = [carries(group) for group in passed]
    evidence = {"drop_all": lost, "drop_halves": halves, "carry_others": float(np.mean(carrying))}
    if not halves_lose_as_much(halves, lost):
        return Storage("interchangeable", passed, evidence)
    return Storage("degenerate" if all(carrying) else "redundant", passed, evidence)


def _share_of_each(neurons: NeuronSet, groups: Sequence[NeuronSet], drops: Drops) -> float:
    """The mean loss without one group, as a share of the loss without all neurons, in log-odds."""
    *each, everything = log_odds_lost(drops, [*groups, neurons])
    return float(np.mean(each)) / float(everything) if everything > 0 else math.nan
