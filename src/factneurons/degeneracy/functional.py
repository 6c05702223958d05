"""The functional tests: which clusters can each be spared, each suffice, and cannot all be spared.

In: clusters of neurons and a way to measure P(answer) with neurons suppressed. Out: the clusters that are
the components of a degenerate knowledge neuron D = {B_1 .. B_n}, with the numbers behind the decision
('Cracking Factual Knowledge', ACL 2025; F2 is what its definition says, though its code never tests it):

    drop(S) = (P - P with S suppressed) / P
    F1   drop(B_i)     <  t_low           dispensable alone
    F2   drop(D - B_i) <= t_sufficient    sufficient alone
    F3   drop(D)       >= t_high          jointly needed
    degeneracy index = 1 - mean_i drop(D - B_i) / drop(D), clipped to 0..1
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from factneurons.attribution.drops import Drops, NeuronSet, all_but_each, union
from factneurons.degeneracy.settings import DegeneracySettings
from factneurons.models.questions import Asking


def functional_filter(
    clusters: Sequence[NeuronSet], drops: Drops, settings: DegeneracySettings
) -> Asking[tuple[tuple[NeuronSet, ...], str]]:
    """The components among disjoint clusters, and "" or the reason why there are none.

    Args:
        clusters: disjoint sets of neurons.
        drops: measured losses.
        settings: filter, t_low (through `dispensable`), t_sufficient and t_high are read.
    """
    standing = tuple(sorted(clusters, key=sorted))
    for reason, test in _FILTERS[settings.filter]:
        standing = yield from test(standing, drops, settings)
        if len(standing) < 2:
            return (), reason
    return standing, ""


def _dispensable(
    clusters: tuple[NeuronSet, ...], drops: Drops, settings: DegeneracySettings
) -> Asking[tuple[NeuronSet, ...]]:
    """F1."""
    lost = yield from drops.asked(clusters)
    return tuple(cluster for cluster, drop in zip(clusters, lost, strict=True) if drop < settings.dispensable)


def _sufficient(
    clusters: tuple[NeuronSet, ...], drops: Drops, settings: DegeneracySettings
) -> Asking[tuple[NeuronSet, ...]]:
    """F2: leave out the cluster that loses most when it alone is left, until none loses too much."""
    while len(clusters) > 1:
        lost = yield from drops.asked(all_but_each(clusters))
        worst = int(lost.argmax())
        if lost[worst] <= settings.t_sufficient:
            break
        clusters = clusters[:worst] + clusters[worst + 1 :]
    return clusters


def _jointly_needed(
    clusters: tuple[NeuronSet, ...], drops: Drops, settings: DegeneracySettings
) -> Asking[tuple[NeuronSet, ...]]:
    """F3."""
    (lost,) = yield from drops.asked([union(clusters)])
    return clusters if lost >= settings.t_high else ()


_Test = Callable[[tuple[NeuronSet, ...], Drops, DegeneracySettings], Asking[tuple[NeuronSet, ...]]]

_F1: tuple[str, _Test] = ("fewer-than-two-dispensable", _dispensable)
_F2: tuple[str, _Test] = ("not-sufficient", _sufficient)
_F3: tuple[str, _Test] = ("not-jointly-needed", _jointly_needed)

_FILTERS: dict[str, tuple[tuple[str, _Test], ...]] = {"definition": (_F1, _F2, _F3), "authors": (_F1,)}
"""Which tests, in which order, each with the reason given where fewer than two clusters are left."""
