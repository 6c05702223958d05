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
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from factneurons.degeneracy.functional import Drops, NeuronSet, degeneracy_index, union
from factneurons.degeneracy.settings import DegeneracySettings
from factneurons.models.types import Neuron

FloatArray = npt.NDArray[np.float64]

_Subset = tuple[int, ...]

EXACT_SUBSETS = 64
"""Proper subsets of n components are all measured while 2^n is at most this."""

SAMPLED_SUBSETS = 32
"""Beyond, so many subsets of each size are drawn (and all of one component, and of all but one)."""

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

    @property
    def p_value(self) -> float:
        """The larger p-value: components have to beat random partitions in both."""
        return max(self.p_value_degeneracy_index, self.p_value_jump)


@dataclass(frozen=True, slots=True)
class _Measures:
    """One row per partition: drop(D), degeneracy index, jump, mean of proper subsets, F1 to F3 passed."""

    drop_all: FloatArray
    index: FloatArray
    jump: FloatArray
    proper: FloatArray
    passed: npt.NDArray[np.bool_]


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
    rng = np.random.default_rng([settings.seed, int.from_bytes(fact_key.encode(), "big")])
    sizes = [len(component) for component in components]
    subsets, weights = proper_subsets(len(components), rng)
    draws = [_draw(sorted(pool), sizes, rng) for _ in range(settings.partitions)]
    found = _measure([components], subsets, weights, drops, settings)
    random = _measure(draws, subsets, weights, drops, settings)

    index, jump, drop_all = float(found.index[0]), float(found.jump[0]), float(found.drop_all[0])
    enough = random.drop_all >= min(settings.t_high, drop_all) - _EQUAL
    return Control(
        drop_proper_subsets=float(found.proper[0]),
        jump=jump,
        p_value_degeneracy_index=_p_value(index, np.where(enough, random.index, -np.inf)),
        p_value_jump=_p_value(jump, random.jump),
        random_degeneracy_index=_mean(random.index[enough & ~np.isnan(random.index)]),
        random_jump=float(random.jump.mean()),
        random_pass=float(random.passed.mean()),
        partitions_possible=partitions_possible(sizes, len(pool)),
    )


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


def _draw(pool: list[Neuron], sizes: Sequence[int], rng: np.random.Generator) -> list[NeuronSet]:
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
        (lost[:, singles] < settings.t_low).all(axis=1)
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
