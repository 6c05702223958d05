"""The one place where a fact is judged: how it is stored, and what each of its groups of neurons costs.

In: a fact's neurons, groups of them from any clusterer, measured losses, and which groups carry other facts. Out, with
the numbers that it rests on:

    degenerate        two or more distinct groups suffice each, and carry other facts too
    redundant         the same, but a group carries nothing else
    interchangeable   two or more groups suffice, but their neurons could be grouped in any way
    undecided         two or more groups suffice, but whether they are distinct cannot be told
    conjunctive       every group is needed, and each works only through the others
    shared, single    one group; a shared one carries other facts too
    none              suppressing all neurons loses too little: the fact is not in them
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from factneurons.attribution.drops import Drops, NeuronSet, Suppressed, all_but_each, log_odds_lost, union
from factneurons.attribution.sufficient import without_spare
from factneurons.attribution.types import KnowledgeNeurons
from factneurons.degeneracy.carrying import Carries
from factneurons.degeneracy.functional import functional_filter
from factneurons.degeneracy.halving import halving_test
from factneurons.degeneracy.indices import degeneracy_index
from factneurons.degeneracy.settings import DegeneracySettings
from factneurons.degeneracy.types import Bar, Component, DegenerateNeurons, Grouping, StorageVerdict
from factneurons.models.questions import Asking, in_turn

NEEDED = 0.7
"""A stage of a conjunctive fact costs on average at least this share of what all cost, in log-odds."""


_NO_GROUPS = ("no-finite-distance", "below-tau1")
"""Reasons of a clusterer whose clusters are none that it stands for."""


def judge(
    known: KnowledgeNeurons,
    clusters: Sequence[Component],
    drops: Drops,
    held_out: Suppressed,
    carries: Carries,
    settings: DegeneracySettings,
    *,
    reason: str = "",
    barcode: tuple[Bar, ...] = (),
) -> Asking[DegenerateNeurons]:
    """What was found for one fact: its components with what each of them costs, and how the fact is stored.

    Args:
        known: the knowledge neurons of the fact.
        clusters: disjoint clusters of them, whose losses are not measured yet.
        drops: the losses of the fact.
        held_out: P(answer) of prompts that `drops` does not know.
        carries: whether a group of neurons carries other facts.
        settings: the thresholds of the functional tests and of the halving test, and the seed.
        reason: why there are fewer than two clusters, a key of `types.REASONS`; "" where there are two.
        barcode: every cluster of the tree.
    """
    neurons = frozenset(known.neurons)
    groups = {frozenset(cluster.neurons): cluster for cluster in clusters}
    found = DegenerateNeurons(
        fact=known.fact,
        components=(),
        candidates=tuple(clusters),
        barcode=barcode,
        reason=reason,
        drop_all=math.nan,
        degeneracy_index=math.nan,
        coverage=0.0,
        storage="none",
        grouping="no-groups",
        knowledge_neurons=len(neurons),
    )
    if not neurons:
        return found
    everything = union(groups)
    yield from drops.measure([*groups, *(everything - group for group in groups), everything, neurons])
    if not drops.probability > 0:
        return replace(found, reason=reason or "zero-probability")
    able = () if reason in _NO_GROUPS else tuple(groups)
    stored = yield from storage_of(neurons, able, drops, held_out, carries, settings, fact_key=known.fact.key)
    found = replace(found, storage=stored.verdict, details=dict(stored.evidence))
    if reason:
        return found
    graded = replace(
        found,
        candidates=_measured(groups, tuple(groups), drops),
        reason=stored.reason,
        details=_graded(neurons, tuple(groups), drops) | found.details,
    )
    if stored.grouping == "no-groups":
        return graded
    yield from drops.measure([*stored.groups, *all_but_each(stored.groups), union(stored.groups)])
    return _with_components(graded, neurons, groups, stored, drops)


def _with_components(
    found: DegenerateNeurons,
    neurons: NeuronSet,
    described: Mapping[NeuronSet, Component],
    stored: Storage,
    drops: Drops,
) -> DegenerateNeurons:
    everything = union(stored.groups)
    drop_all = drops.of(everything)
    return replace(
        found,
        components=_measured(described, stored.groups, drops),
        drop_all=drop_all,
        degeneracy_index=degeneracy_index(drop_all, drops(all_but_each(stored.groups))),
        coverage=len(everything & neurons) / len(neurons),
        grouping=stored.grouping,
    )


def _measured(
    described: Mapping[NeuronSet, Component], groups: tuple[NeuronSet, ...], drops: Drops
) -> tuple[Component, ...]:
    """Groups with their losses, the others being these groups."""
    alone, left = drops(groups).tolist(), drops(all_but_each(groups)).tolist()
    return tuple(
        replace(described[group], drop_alone=alone[place], drop_without_others=left[place])
        for place, group in enumerate(groups)
    )


def _graded(neurons: NeuronSet, groups: tuple[NeuronSet, ...], drops: Drops) -> dict[str, float]:
    """What all candidates come to; the names are those of `types.DETAILS`."""
    everything = union(groups)
    drop_all = drops.of(everything)
    return {
        "probability": drops.probability,
        "drop_knowledge_neurons": drops.of(neurons),
        "drop_candidates": drop_all,
        "degeneracy_index_candidates": degeneracy_index(drop_all, drops(all_but_each(groups))),
        "coverage_candidates": len(everything & neurons) / len(neurons),
    }


@dataclass(frozen=True, slots=True)
class Storage:
    """How a fact is stored.

    Attributes:
        verdict: in one word, see this module.
        groups: the groups that the verdict speaks of.
        reason: why the groups are no components of a degenerate knowledge neuron, or why that cannot be told; else "".
        grouping: whether the groups are distinct components.
        evidence: further numbers it rests on: a name of `types.DETAILS` -> a number.
    """

    verdict: StorageVerdict
    groups: tuple[NeuronSet, ...]
    reason: str = ""
    grouping: Grouping = "no-groups"
    evidence: Mapping[str, float] = field(default_factory=dict)


def storage_of(
    neurons: NeuronSet,
    groups: Sequence[NeuronSet],
    drops: Drops,
    held_out: Suppressed,
    carries: Carries,
    settings: DegeneracySettings,
    *,
    fact_key: str,
) -> Asking[Storage]:
    """The verdict over one fact whose P(answer) is not 0.

    Args:
        neurons: all neurons of the fact.
        groups: disjoint groups of them; none where a clusterer found none.
        drops: measured losses.
        held_out: P(answer) of prompts that the groups were not found with.
        carries: whether a group carries other facts.
        settings: the thresholds of the functional tests and of the halving test, and the seed.
        fact_key: makes the draws of every fact its own.
    """
    yield from drops.measure([*groups, neurons])
    passed: tuple[NeuronSet, ...] = ()
    reason = "one-cluster"
    if len(groups) > 1:
        passed, reason = yield from functional_filter(groups, drops, settings)
    if passed:
        return (yield from _substitutes(passed, drops, held_out, carries, settings, fact_key))
    if not neurons or drops.of(neurons) < settings.t_high:
        return Storage("none", (), reason)
    share = _share_of_each(neurons, groups, drops) if len(groups) > 1 else math.nan
    if share >= NEEDED:
        return Storage("conjunctive", tuple(groups), reason, evidence={"share_of_each": share})
    one = groups[0] if len(groups) == 1 else neurons
    verdict: StorageVerdict = "shared" if (yield from carries(one)) else "single"
    return Storage(verdict, (one,), reason, evidence={} if math.isnan(share) else {"share_of_each": share})


def _substitutes(
    passed: tuple[NeuronSet, ...],
    drops: Drops,
    held_out: Suppressed,
    carries: Carries,
    settings: DegeneracySettings,
    fact_key: str,
) -> Asking[Storage]:
    cores = yield from _cores(passed, drops, settings.t_sufficient)
    test = yield from halving_test(
        cores,
        held_out,
        beside=union(passed).difference(*cores),
        t_high=settings.t_high,
        seed=settings.seed,
        fact_key=fact_key,
    )
    carrying = yield from in_turn(carries(group) for group in passed)
    evidence = {"carry_others": float(np.mean(carrying))} | test.evidence
    if test.reason:
        return Storage("undecided", passed, test.reason, "undecided", evidence)
    if test.value < settings.halving:
        return Storage("interchangeable", passed, "", "arbitrary", evidence)
    return Storage("degenerate" if all(carrying) else "redundant", passed, "", "distinct", evidence)


def _cores(groups: Sequence[NeuronSet], drops: Drops, most_lost: float) -> Asking[list[NeuronSet]]:
    """Of every group what suffices without a neuron to spare: what only helps is no half. One neuron has no halves."""
    everything = union(groups)
    cores = yield from in_turn(without_spare(group, everything, drops, most_lost) for group in groups)
    return [core if len(core) > 1 else group for core, group in zip(cores, groups, strict=True)]


def _share_of_each(neurons: NeuronSet, groups: Sequence[NeuronSet], drops: Drops) -> float:
    """The mean loss without one group, as a share of the loss without all neurons, in log-odds."""
    *each, everything = log_odds_lost(drops, [*groups, neurons])
    return float(np.mean(each)) / float(everything) if everything > 0 else math.nan
