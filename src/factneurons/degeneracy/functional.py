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

import math
from collections.abc import Callable, Collection, Iterable, Sequence

import numpy as np
import numpy.typing as npt

from factneurons.degeneracy.settings import DegeneracySettings
from factneurons.models.types import Neuron

FloatArray = npt.NDArray[np.float64]

NeuronSet = frozenset[Neuron]

Suppressed = Callable[[Sequence[Collection[Neuron]]], FloatArray]
"""Sets of neurons -> [sets], P(answer) with each set suppressed, mean over the fact's prompts."""

SETS_PER_CALL = 512
"""How many sets the model is asked for at once."""

_NOTHING: NeuronSet = frozenset()


class Drops:
    """Relative losses of P(answer) by suppressed set; the model is asked when a loss is, for each set once.

    Args:
        suppressed: how the model is asked.
        first: sets to ask for at once, together with nothing suppressed.
    """

    def __init__(self, suppressed: Suppressed, first: Iterable[NeuronSet] = ()) -> None:
        self._suppressed = suppressed
        self._probabilities: dict[NeuronSet, float] = {}
        at_once = tuple(first)
        if at_once:
            self.measure(at_once)

    @property
    def probability(self) -> float:
        """P(answer) with nothing suppressed."""
        self.measure(())
        return self._probabilities[_NOTHING]

    def __call__(self, sets: Sequence[NeuronSet]) -> FloatArray:
        """drop(S) of every set, [sets]; negative where suppression helps."""
        self.measure(sets)
        probabilities = np.array([self._probabilities[neurons] for neurons in sets], dtype=np.float64)
        return (self.probability - probabilities) / self.probability

    def of(self, neurons: NeuronSet) -> float:
        """drop(S) of one set."""
        return float(self([neurons])[0])

    def measure(self, sets: Iterable[NeuronSet]) -> None:
        """Ask the model for these sets, and for nothing suppressed, where it has not been asked yet."""
        wanted = dict.fromkeys((_NOTHING, *sets))
        unknown = [neurons for neurons in wanted if neurons not in self._probabilities]
        for first in range(0, len(unknown), SETS_PER_CALL):
            asked = unknown[first : first + SETS_PER_CALL]
            answers = self._suppressed([sorted(neurons) for neurons in asked])
            self._probabilities.update(zip(asked, answers.tolist(), strict=True))


def union(sets: Iterable[NeuronSet]) -> NeuronSet:
    """The neurons of several sets together."""
    return _NOTHING.union(*sets)


def without_others(components: Sequence[NeuronSet], drops: Drops) -> FloatArray:
    """drop(D - B_i) for every component: [components], what is lost when it alone is left."""
    everything = union(components)
    return drops([everything - component for component in components])


def degeneracy_index(drop_all: float, left_alone: FloatArray) -> float:
    """1 - mean of drop(D - B_i) / drop(D), clipped to 0..1.

    1: any one component suffices; 0: all are needed; NaN: suppressing all of them loses nothing.
    """
    if not drop_all > 0:
        return math.nan
    return float(np.clip(1.0 - left_alone.mean() / drop_all, 0.0, 1.0))


def functional_filter(
    clusters: Sequence[NeuronSet], drops: Drops, settings: DegeneracySettings
) -> tuple[tuple[NeuronSet, ...], str]:
    """The components among disjoint clusters, and "" or the reason why there are none.

    Args:
        clusters: disjoint sets of neurons.
        drops: measured losses.
        settings: filter, t_low (through `dispensable`), t_sufficient and t_high are read.
    """
    standing = tuple(sorted(clusters, key=sorted))
    for reason, test in _FILTERS[settings.filter]:
        standing = test(standing, drops, settings)
        if len(standing) < 2:
            return (), reason
    return standing, ""


def _dispensable(clusters: tuple[NeuronSet, ...], drops: Drops, settings: DegeneracySettings) -> tuple[NeuronSet, ...]:
    """F1."""
    lost = drops(clusters)
    return tuple(cluster for cluster, drop in zip(clusters, lost, strict=True) if drop < settings.dispensable)


def _sufficient(clusters: tuple[NeuronSet, ...], drops: Drops, settings: DegeneracySettings) -> tuple[NeuronSet, ...]:
    """F2: leave out the cluster that loses most when it alone is left, until none loses too much."""
    while len(clusters) > 1:
        lost = without_others(clusters, drops)
        worst = int(lost.argmax())
        if lost[worst] <= settings.t_sufficient:
            break
        clusters = clusters[:worst] + clusters[worst + 1 :]
    return clusters


def _jointly_needed(
    clusters: tuple[NeuronSet, ...], drops: Drops, settings: DegeneracySettings
) -> tuple[NeuronSet, ...]:
    """F3."""
    return clusters if drops.of(union(clusters)) >= settings.t_high else ()


_Test = Callable[[tuple[NeuronSet, ...], Drops, DegeneracySettings], tuple[NeuronSet, ...]]

_F1: tuple[str, _Test] = ("fewer-than-two-dispensable", _dispensable)
_F2: tuple[str, _Test] = ("not-sufficient", _sufficient)
_F3: tuple[str, _Test] = ("not-jointly-needed", _jointly_needed)

_FILTERS: dict[str, tuple[tuple[str, _Test], ...]] = {"definition": (_F1, _F2, _F3), "authors": (_F1,)}
"""Which tests, in which order, each with the reason given where fewer than two clusters are left."""
