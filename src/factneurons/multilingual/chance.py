"""What random sets of the same sizes and layers would share.

In: how many neurons each language has in each layer, and the layers' width. Out: the mean of |L| over random sets,
and how often they share at least as much. Neurons of one layer are drawn without replacement, languages and layers
independently. For the intersection and the union the law is exact: the common part grows by one hypergeometric draw
per language, and layers add up. In between (at least m of K languages) it is estimated from draws.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from factneurons.draws import random_numbers
from factneurons.models.types import Neuron
from factneurons.statistics import Numbers

Counts = npt.NDArray[np.int64]

_DRAWS = 10_000


@dataclass(frozen=True, slots=True)
class Chance:
    """What random sets give.

    Attributes:
        expected: mean number of neurons that enough of the random sets hold.
        p_value: share of random sets that share as much or more.
        exact: whether it is computed; else it is (1 + hits) / (1 + draws).
    """

    expected: float
    p_value: float
    exact: bool


_Sizes = tuple[Sequence[int], int]


def chance_of(
    sets: Sequence[Collection[Neuron]], needed: int, found: int, width: int | Sequence[int], seed: str
) -> Chance:
    """How surprising it is that so many neurons are in at least `needed` of the sets.

    Args:
        sets: one set of neurons per language.
        needed: in how many of them a neuron must be.
        found: how many neurons are.
        width: neurons per layer, or of each layer.
        seed: decides the draws, where there are any.

    Sharing more means a larger common part; for the union (needed = 1), which shrinks as languages share more,
    it means a smaller one.
    """
    per_layer = _sizes(sets, width)
    if needed in (1, len(sets)):
        law = _law(per_layer, _common if needed > 1 else _united)
        expected = float(law @ np.arange(len(law)))
        tail = law[: found + 1] if needed == 1 else law[found:]
        return Chance(expected, min(1.0, float(tail.sum())), exact=True)
    drawn = _drawn(per_layer, needed, seed)
    hits = int(np.count_nonzero(drawn >= found))
    return Chance(float(drawn.mean()), (1 + hits) / (1 + len(drawn)), exact=False)


def _sizes(sets: Sequence[Collection[Neuron]], width: int | Sequence[int]) -> list[_Sizes]:
    """Per layer that any set has neurons in: how many of each set, and the layer's width."""
    counts = [Counter(neuron.layer for neuron in found) for found in sets]
    return [
        (tuple(count[layer] for count in counts), width if isinstance(width, int) else width[layer])
        for layer in sorted({la for count in counts for la in count})
    ]


def _law(per_layer: Iterable[_Sizes], of_layer: Callable[[Sequence[int], int], Numbers]) -> Numbers:
    """P(the number is n), n = 0, 1, ...: layers are independent, so their laws are convolved."""
    law: Numbers = np.ones(1)
    for sizes, width in per_layer:
        law = np.convolve(law, of_layer(sizes, width))
    return law


def _common(sizes: Sequence[int], width: int) -> Numbers:
    """The law of the size of the intersection of random sets in one layer."""
    law = _surely(sizes[0])
    for size in sizes[1:]:
        law = law @ _hits(len(law) - 1, size, width)
    return law


def _united(sizes: Sequence[int], width: int) -> Numbers:
    """The law of the size of the union of random sets in one layer."""
    law = _surely(sizes[0])
    for size in sizes[1:]:
        hits = _hits(len(law) - 1, size, width)
        grown = np.zeros(min(len(law) + size, width + 1))
        for hit in range(hits.shape[1]):
            reached = law * hits[:, hit]
            for united in np.flatnonzero(reached):
                grown[united + size - hit] += reached[united]
        law = grown
    return law


def _surely(size: int) -> Numbers:
    law: Numbers = np.zeros(size + 1)
    law[size] = 1.0
    return law


def _hits(most: int, size: int, width: int) -> Numbers:
    """P(a random set of `size` neurons holds so many of a given set): [0..most neurons of the set, 0..size]."""
    given = np.arange(most + 1)[:, None]
    law = stats.hypergeom.pmf(np.arange(min(most, size) + 1)[None, :], width, given, size)
    return np.asarray(law, dtype=np.float64)


def _drawn(per_layer: Iterable[_Sizes], needed: int, seed: str) -> Counts:
    """How many neurons at least `needed` random sets hold, [draws].

    Only how many neurons of a layer are held by 0, 1, ... sets matters; a further set takes some of each of these
    classes, one hypergeometric draw after the other.
    """
    generator = random_numbers(seed)
    total = np.zeros(_DRAWS, dtype=np.int64)
    for sizes, width in per_layer:
        held = np.zeros((needed + 1, _DRAWS), dtype=np.int64)
        held[0] = width
        for size in sizes:
            before, rest, left = held.copy(), np.full(_DRAWS, width), np.full(_DRAWS, size)
            for times in range(needed + 1):
                rest -= before[times]
                taken = generator.hypergeometric(before[times], rest, left)
                left -= taken
                if times < needed:
                    held[times] -= taken
                    held[times + 1] += taken
        total += held[needed]
    return total
