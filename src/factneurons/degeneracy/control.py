"""The random-partition control: are these components, or would any grouping of the neurons do as well?

In: the components of one fact, the neurons to draw from, measured losses. Out: p-values.

A probability near 1 saturates: small losses cost nothing and large joint losses cost much, whatever the
grouping, so interchangeable neurons pass the functional tests in any partition. Components must therefore
beat random partitions into parts of the same sizes, both in the degeneracy index and in the jump:

    jump    = drop(D) - mean drop of the proper subsets of D's components
    p-value = (1 + random partitions that are at least as good) / (1 + random partitions)

There are two null hypotheses, and neither alone settles the matter. Parts drawn from all knowledge neurons of
the fact ask whether any such groups would do; groups that only hold the neurons that matter win against parts
that miss them, even if they could be regrouped at will. Partitions of the components' own neurons ask whether
the grouping matters (drop(D) is the same for all); two components of two can be grouped in three ways only, so
that p cannot fall below 1/3: `partitions_possible` tells.

Random parts that miss the neurons that matter lose nothing at all, and their degeneracy index is a ratio of
noise: in the index, a random partition is as good only if suppressing all its parts loses enough, too.

Over many facts a correction asks for small p-values and so for many partitions, which most facts can do without:
where more than `HOPELESS` of the first `FIRST_PARTITIONS` are as good, no more are drawn. The p-value keeps its
level all the same: one that is small comes from all partitions, and one from the first alone is never small.

Partitions leave one question open, whatever their number: whether the neurons of one component need each other.
Suppressing half of every component settles it. Components whose neurons are complements then lose as much as
when all is suppressed; of interchangeable neurons half are left.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from factneurons.degeneracy.drops import Drops, NeuronSet, union
from factneurons.degeneracy.indices import degeneracy_index
from factneurons.degeneracy.settings import DegeneracySettings
from factneurons.draws import as_number
from factneurons.models.types import FloatArray, Neuron
from factneurons.statistics import SIGNIFICANCE

_Subset = tuple[int, ...]

EXACT_SUBSETS = 64
"""Proper subsets of n components are all measured while 2^n is at most this."""

SAMPLED_SUBSETS = 32
"""Beyond, so many subsets of each size are drawn (and all of one component, and of all but one)."""

FIRST_PARTITIONS = 100
"""So many random partitions are drawn for every fact (or all of them, where fewer are asked for)."""

HOPELESS = 0.2
"""No more are drawn for a fact whose p-value exceeds this after the first ones."""

HALVES = 0.8
"""Half of every component must lose at least this share of what all of them lose."""

_HALVES_DRAWN = 20
_PARTITIONS_AT_ONCE = 500

_EQUAL = 1e-9
"""Losses closer than this are equal: rounding must not make a random partition look worse."""


@dataclass(frozen=True, slots=True)
class Control:
    """How components compare with random partitions; the names are those of `types.DETAILS`."""

    drop_proper_subsets: float
    jump: float
    p_value_degeneracy_index: float
    p_value_jump: float
    random_degeneracy_index: float
    random_jump: float
    random_pass: float
    partitions_possible: float
    partitions_drawn: float
    drop_halves: float

    @property
    def p_value(self) -> float:
        """The larger p-value: components have to beat random partitions in both."""
        return max(self.p_value_degeneracy_index, self.p_value_jump)

    @property
    def decisive(self) -> bool:
        """Whether the p-value could be small at all: too few possible groupings leave it to the halves."""
        return self.partitions_possible * SIGNIFICANCE >= 1

    def real(self, drop_all: float) -> bool:
        """Whether the components are components, and not any grouping of interchangeable neurons.

        Half of every component must lose about as much as all, and the p-value must be small where it can be.
        """
        better = self.p_value <= SIGNIFICANCE or not self.decisive
        return better and halves_lose_as_much(self.drop_halves, drop_all)


@dataclass(frozen=True, slots=True)
class _Measures:
    """One row per partition: drop(D), degeneracy index, jump, mean of proper subsets, F1 to F3 passed."""

    drop_all: FloatArray
    index: FloatArray
    jump: FloatArray
    proper: FloatArray
    passed: npt.NDArray[np.bool_]

    def and_also(self, more: _Measures) -> _Measures:
        """The rows of both."""
        return _Measures(*(np.concatenate([getattr(each, name) for each in (self, more)]) for name in self.__slots__))


def partition_control(
    components: Sequence[NeuronSet],
    pool: Sequence[Neuron],
    drops: Drops,
    settings: DegeneracySettings,
    *,
    fact_key: str,
) -> Control:
    """Compare components with random partitions into parts of the same sizes.

    Args:
        components: two or more disjoint sets.
        pool: the neurons to draw from, the components' among them: all knowledge neurons of the fact, or
            the components' own.
        drops: measured losses.
        settings: partitions, t_low, t_sufficient, t_high and seed are read.
        fact_key: makes the draws of every fact its own, whatever the order of the facts.
    """
    seeds = [settings.seed, as_number(fact_key)]
    rng = np.random.default_rng(seeds)
    sizes = [len(component) for component in components]
    ordered = sorted(pool)
    subsets, weights = proper_subsets(len(components), rng)
    found = _measure([components], subsets, weights, drops, settings)

    def draw(count: int) -> _Measures:
        drawn = [random_partition(ordered, sizes, rng) for _ in range(count)]
        return _measure(drawn, subsets, weights, drops, settings)

    random = draw(min(FIRST_PARTITIONS, settings.partitions))
    if max(_p_values(found, random, settings)) <= HOPELESS:
        while len(random.jump) < settings.partitions:
            random = random.and_also(draw(min(_PARTITIONS_AT_ONCE, settings.partitions - len(random.jump))))
    p_index, p_jump = _p_values(found, random, settings)
    enough = _enough(found, random, settings) & ~np.isnan(random.index)
    return Control(
        drop_proper_subsets=float(found.proper[0]),
        jump=float(found.jump[0]),
        p_value_degeneracy_index=p_index,
        p_value_jump=p_jump,
        random_degeneracy_index=_mean(random.index[enough]),
        random_jump=float(random.jump.mean()),
        random_pass=float(random.passed.mean()),
        partitions_possible=partitions_possible(sizes, len(pool)),
        partitions_drawn=float(len(random.jump)),
        drop_halves=drop_halves(components, drops, np.random.default_rng([*seeds, 1])),
    )


def _enough(found: _Measures, random: _Measures, settings: DegeneracySettings) -> npt.NDArray[np.bool_]:
    """Which random partitions lose enough jointly for their degeneracy index to mean something."""
    enough: npt.NDArray[np.bool_] = random.drop_all >= min(settings.t_high, float(found.drop_all[0])) - _EQUAL
    return enough


def _p_values(found: _Measures, random: _Measures, settings: DegeneracySettings) -> tuple[float, float]:
    """Of the degeneracy index and of the jump."""
    indices = np.where(_enough(found, random, settings), random.index, -np.inf)
    return _p_value(float(found.index[0]), indices), _p_value(float(found.jump[0]), random.jump)


def drop_halves(components: Sequence[NeuronSet], drops: Drops, rng: np.random.Generator) -> float:
    """The mean loss with the smaller half of every component suppressed; NaN where a component is one neuron."""
    if min(len(component) for component in components) < 2:
        return math.nan
    drawn = [
        union(
            frozenset(sorted(component)[place] for place in rng.permutation(len(component))[: len(component) // 2])
            for component in components
        )
        for _ in range(_HALVES_DRAWN)
    ]
    return float(drops(drawn).mean())


def halves_lose_as_much(drop_halves: float, drop_all: float) -> bool:
    """Whether losing half of every component costs about as much as losing all; True where it cannot be asked.

    Args:
        drop_halves: the loss with half of every component suppressed; NaN: a component is one neuron.
        drop_all: the loss with all of them suppressed.
    """
    return math.isnan(drop_halves) or drop_halves >= HALVES * drop_all


def proper_subsets(count: int, rng: np.random.Generator) -> tuple[list[_Subset], FloatArray]:
    """Subsets of 1 to count - 1 of `count` components, and weights that make their mean one over all.

    All of them while 2^count <= 64; else all of size 1 and count - 1 and 32 of every size between.
    """
    subsets: list[_Subset] = []
    weights: list[float] = []
    for size in range(1, count):
        total = math.comb(count, size)
        if 2**count <= EXACT_SUBSETS or size in (1, count - 1) or total <= SAMPLED_SUBSETS:
            drawn = list(combinations(range(count), size))
        else:
            drawn = _sample_subsets(count, size, rng)
        subsets.extend(drawn)
        weights.extend([total / len(drawn) / (2**count - 2)] * len(drawn))
    return subsets, np.array(weights)


def _sample_subsets(count: int, size: int, rng: np.random.Generator) -> list[_Subset]:
    drawn: set[_Subset] = set()
    while len(drawn) < SAMPLED_SUBSETS:
        drawn.add(tuple(sorted(rng.choice(count, size=size, replace=False).tolist())))
    return sorted(drawn)


def random_partition(pool: Sequence[Neuron], sizes: Sequence[int], rng: np.random.Generator) -> list[NeuronSet]:
    """Disjoint parts of these sizes, drawn from a pool of at least so many neurons in a fixed order."""
    shuffled = [pool[place] for place in rng.permutation(len(pool))[: sum(sizes)]]
    stops = np.cumsum(sizes).tolist()
    return [frozenset(shuffled[stop - size : stop]) for stop, size in zip(stops, sizes, strict=True)]


def _measure(
    partitions: Sequence[Sequence[NeuronSet]],
    subsets: Sequence[_Subset],
    weights: FloatArray,
    drops: Drops,
    settings: DegeneracySettings,
) -> _Measures:
    count = len(partitions[0])
    place = {subset: column for column, subset in enumerate(subsets)}
    singles = [place[(part,)] for part in range(count)]
    left_alone = [place[tuple(other for other in range(count) if other != part)] for part in range(count)]
    chosen = [*subsets, tuple(range(count))]
    asked = [union(parts[part] for part in subset) for parts in partitions for subset in chosen]
    lost = drops(asked).reshape(len(partitions), len(chosen))
    drop_all = lost[:, -1]
    proper = lost[:, :-1] @ weights
    indices = [degeneracy_index(float(row[-1]), row[left_alone]) for row in lost]
    passed = (
        (lost[:, singles] < settings.dispensable).all(axis=1)
        & (lost[:, left_alone] <= settings.t_sufficient).all(axis=1)
        & (drop_all >= settings.t_high)
    )
    return _Measures(drop_all, np.array(indices), drop_all - proper, proper, passed)


def _mean(values: FloatArray) -> float:
    return float(values.mean()) if len(values) else math.nan


def _p_value(found: float, random: FloatArray) -> float:
    if math.isnan(found):
        return 1.0
    return float((1 + np.count_nonzero(random >= found - _EQUAL)) / (1 + len(random)))


def partitions_possible(sizes: Sequence[int], pool: int) -> float:
    """In how many ways parts of these sizes can be taken from a pool, whatever the order of the parts."""
    ways = 1
    for size in sizes:
        ways *= math.comb(pool, size)
        pool -= size
    for same in Counter(sizes).values():
        ways //= math.factorial(same)
    return float(min(ways, 10**300))
