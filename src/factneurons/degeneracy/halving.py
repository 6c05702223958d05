"""The halving test: are a fact's groups of neurons distinct components, or would any grouping do as well?

In: groups of neurons, P(answer) of held-out prompts with sets suppressed. Out: a number that is above 0 only if the
neurons interact in groups.

Without groups, P(answer) of a prompt is a nondecreasing function of a sum of one weight per active neuron. A
probability near 1 saturates, so such neurons can pass every functional test in many groupings. But let C_1 .. C_k be
disjoint groups, k >= 2, X and X' the two halves of each of them, X + X' = C_1 + .. + C_k, and L(S) the relative loss
with S suppressed.

    Theorem.   min(L(X), L(X')) <= max_i L(all but C_i)          where L(all) > 0
    Proof.     L(all) > 0, so W = w(C_1) + .. + w(C_k) > 0. w(X) + w(X') = W, so min(w(X), w(X')) <= W / 2. The mean of
               w(all but C_i) is W (k - 1) / k >= W / 2, so the largest is. L is a nondecreasing function of the weight.

Components whose neurons work together, and which stand in for each other, violate it as strongly as can be: any half
of every component costs as much as all of them, while all but one can be spared. So, mean over splits, then over
prompts,

    T = [min(L(X), L(X')) - max_i L(all but C_i)] / max(L(all), t_high)

is at most 0 without groups, however these were found; they are found with other prompts, as prompts are noisy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import TypeVar

import numpy as np

from factneurons.attribution.drops import NeuronSet, Suppressed, union
from factneurons.draws import as_number
from factneurons.models.questions import Asking
from factneurons.models.types import FloatArray, Neuron

MOST_SPLITS = 20
"""All splits into halves are measured while there are at most so many; else so many are drawn."""

_LEAST = 1e-9

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Halving:
    """The result for one fact.

    Attributes:
        value: T, mean over the held-out prompts; NaN: it cannot be told.
        least: the smallest T of a prompt; NaN likewise.
        splits: how many splits into halves were measured.
        prompts: how many held-out prompts were asked.
        reason: why it cannot be told, a key of `types.REASONS`; else "".
    """

    value: float = math.nan
    least: float = math.nan
    splits: int = 0
    prompts: int = 0
    reason: str = ""

    @property
    def evidence(self) -> dict[str, float]:
        """The numbers by the names of `types.DETAILS`; empty where it cannot be told."""
        numbers = {"halving": self.value, "halving_least": self.least}
        return {} if self.reason else numbers | {"halving_splits": self.splits, "halving_prompts": self.prompts}


def split_prompts(asked: Sequence[_Item]) -> tuple[Sequence[_Item], Sequence[_Item]]:
    """Every other prompt, with which groups are found, and the others, with which they are tested."""
    return asked[::2], asked[1::2]


def halving_test(
    groups: Sequence[NeuronSet],
    held_out: Suppressed,
    *,
    beside: NeuronSet = frozenset(),
    t_high: float,
    seed: int,
    fact_key: str,
) -> Asking[Halving]:
    """T of one fact's groups.

    Args:
        groups: disjoint groups. One of a single neuron has no halves: it is suppressed in every set, where the theorem
            holds for the others.
        held_out: P(answer) under suppression, of prompts that the groups were not found with.
        beside: neurons of no group that are suppressed in every set.
        t_high: a prompt that loses less than this without all groups counts less: its T is nearer to 0.
        seed: of the drawn splits, together with
        fact_key: the fact.
    """
    large = [sorted(group) for group in groups if len(group) > 1]
    if len(large) < 2:
        return Halving(reason="no-halves")
    everything = union(groups) | beside
    always = everything.difference(*large)
    rng = np.random.default_rng([seed, as_number(f"halving {fact_key}")])
    splits = [half | always for half in halves_of(large, rng)]
    others = [(everything - half) | always for half in splits]
    sets = [frozenset[Neuron](), everything, *(everything.difference(group) for group in large), *splits, *others]
    table = yield from held_out([sorted(each) for each in sets])
    table = table[table[:, 0] > 0] if len(table) else table
    if not len(table):
        return Halving(reason="one-prompt")
    values = _values(1 - table[:, 1:] / table[:, :1], len(large), t_high)
    return Halving(float(values.mean()), float(values.min()), len(splits), len(values))


def _values(lost: FloatArray, groups: int, t_high: float) -> FloatArray:
    """T of every prompt, [prompts].

    Args:
        lost: relative losses of all groups, all but each of them, the halves, the other halves; [prompts, sets].
        groups: how many groups were halved.
        t_high: as in `halving_test`.
    """
    lost_all, but_one = lost[:, 0], lost[:, 1 : 1 + groups].max(axis=1)
    halves = lost[:, 1 + groups :].reshape(len(lost), 2, -1).min(axis=1).mean(axis=1)
    values = (halves - but_one) / np.maximum(lost_all, max(t_high, _LEAST))
    kept: FloatArray = np.where(lost_all > 0, values, np.minimum(values, 0))
    return kept


def halves_of(groups: Sequence[Sequence[Neuron]], rng: np.random.Generator) -> list[NeuronSet]:
    """One half of every group, in all splits or in `MOST_SPLITS` drawn ones; of an odd group either part is a half."""
    sizes = [sorted({len(group) // 2, (len(group) + 1) // 2}) for group in groups]
    ways = math.prod(
        sum(math.comb(len(group), size) for size in each) for group, each in zip(groups, sizes, strict=True)
    )
    if ways <= 2 * MOST_SPLITS:
        parts = [
            [part for size in each for part in combinations(group, size)]
            for group, each in zip(groups, sizes, strict=True)
        ]
        halves = (frozenset(neuron for part in chosen for neuron in part) for chosen in product(*parts))
        return [half for half in halves if groups[0][0] in half]  # the others are the other halves of these
    return [frozenset(group[place] for group in groups for place in _half(len(group), rng)) for _ in range(MOST_SPLITS)]


def _half(size: int, rng: np.random.Generator) -> list[int]:
    """The places of one half of so many."""
    places: list[int] = rng.permutation(size)[: (size + int(rng.integers(2))) // 2].tolist()
    return places
