"""What random sets share: exact laws against all possible draws, and draws against exact laws."""

from __future__ import annotations

from collections import Counter
from itertools import combinations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factneurons.models.types import Neuron
from factneurons.multilingual import chance
from factneurons.multilingual.chance import chance_of

WIDTH = 4


def sets_of(*sizes):
    """One set per language: for every layer, so many neurons."""
    return [{Neuron(layer, i) for layer, count in enumerate(own) for i in range(count)} for own in sizes]


def every_draw(sizes, needed):
    """The number of neurons in enough sets, for all equally likely draws."""
    layers = range(len(sizes[0]))
    choices = [[combinations([(layer, i) for i in range(WIDTH)], own[layer]) for layer in layers] for own in sizes]
    for drawn in product(*(combinations_ for own in choices for combinations_ in map(list, own))):
        held = Counter(neuron for part in drawn for neuron in part)
        yield sum(count >= needed for count in held.values())


@pytest.mark.parametrize("sizes", [[(2,), (1,)], [(2,), (3,), (2,)], [(1, 2), (2, 1)], [(0, 1), (2, 2)]])
@pytest.mark.parametrize("rule", ["intersection", "union"])
def test_the_law_is_that_of_all_draws(sizes, rule):
    needed = 1 if rule == "union" else len(sizes)
    everything = list(every_draw(sizes, needed))
    for found in range(max(everything) + 1):
        result = chance_of(sets_of(*sizes), needed, found, WIDTH, "seed")
        extreme = [n <= found if rule == "union" else n >= found for n in everything]
        assert result.exact
        assert result.expected == pytest.approx(sum(everything) / len(everything))
        assert result.p_value == pytest.approx(sum(extreme) / len(extreme))


def test_drawn_chance_is_that_of_all_draws():
    sizes, needed = [(2,), (2,), (1,)], 2
    everything = list(every_draw(sizes, needed))
    result = chance_of(sets_of(*sizes), needed, 2, WIDTH, "seed")
    assert not result.exact
    assert result.expected == pytest.approx(sum(everything) / len(everything), abs=0.03)
    assert result.p_value == pytest.approx(sum(n >= 2 for n in everything) / len(everything), abs=0.02)


@given(st.lists(st.integers(0, 6), min_size=2, max_size=4), st.integers(6, 9))
def test_draws_agree_with_the_exact_law(sizes, width):
    """For the intersection both are known; the draws are those of any number of languages."""
    drawn = chance._drawn([(tuple(sizes), width)], len(sizes), "seed")
    exact = chance_of(sets_of(*[(size,) for size in sizes]), len(sizes), 0, width, "seed")
    assert drawn.mean() == pytest.approx(exact.expected, abs=0.06)
    assert drawn.max() <= min(sizes)


def test_no_neurons_share_nothing_surely():
    result = chance_of([set(), {Neuron(0, 1)}], 2, 0, WIDTH, "seed")
    assert (result.expected, result.p_value) == (0.0, 1.0)


def test_equal_sets_are_a_surprise_and_the_seed_decides_the_draws():
    same = [{Neuron(0, i) for i in range(5)}] * 3
    assert chance_of(same, 3, 5, 1000, "a").p_value < 1e-20
    first, again, other = (chance_of(same, 2, 1, 12, seed) for seed in "aab")
    assert first == again
    assert first != other
