"""The random-partition control: exact counts, known p-values, and fair draws."""

from __future__ import annotations

import math
from itertools import chain, combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factneurons.degeneracy.control import (
    FIRST_PARTITIONS,
    HOPELESS,
    halves_lose_as_much,
    partition_control,
    partitions_possible,
    proper_subsets,
)
from factneurons.degeneracy.drops import Drops
from factneurons.degeneracy.settings import DegeneracySettings
from factneurons.models.types import Neuron

DEFAULT = DegeneracySettings()
POOL = [Neuron(place % 3, place) for place in range(16)]


def drops_of(formula):
    """Drops from a formula of the neurons that stay active."""
    return Drops(lambda sets: np.array([formula(frozenset(POOL) - frozenset(s)) for s in sets]))


def parts(*sizes):
    starts = np.cumsum((0, *sizes)).tolist()
    return [frozenset(POOL[start : start + size]) for start, size in zip(starts, sizes, strict=False)]


def modular(groups):
    """Any one whole group suffices."""
    return drops_of(lambda active: 0.9 if any(group <= active for group in groups) else 0.02)


def test_real_components_beat_random_partitions():
    groups = parts(6, 6)
    control = partition_control(groups, POOL[:12], modular(groups), DEFAULT, fact_key="a")
    assert control.p_value == 1 / 101
    assert control.drop_proper_subsets == 0
    assert control.jump == pytest.approx(1 - 0.02 / 0.9)
    assert control.random_pass == 0
    assert control.partitions_possible == math.comb(12, 6) // 2


def test_interchangeable_neurons_do_not():
    drops = drops_of(lambda active: 0.9 * min(1.0, len(active & set(POOL[:8])) / 4))
    control = partition_control(parts(4, 4), POOL[:8], drops, DEFAULT, fact_key="a")
    assert control.p_value_degeneracy_index == control.p_value_jump == control.p_value == 1
    assert control.random_pass == 1
    assert control.random_degeneracy_index == 1
    assert control.random_jump == control.jump == 1


def test_the_two_nulls_ask_different_questions():
    """Eight interchangeable neurons among inert ones win against parts that miss them, but not regrouped."""
    drops = drops_of(lambda active: 0.9 * min(1.0, len(active & set(POOL[:8])) / 4))
    inert = [Neuron(3, place) for place in range(20)]
    among_all = partition_control(parts(4, 4), POOL + inert, drops, DEFAULT, fact_key="a")
    regrouped = partition_control(parts(4, 4), POOL[:8], drops, DEFAULT, fact_key="a")
    assert among_all.p_value < 0.05 < regrouped.p_value


def test_partitions_that_lose_nothing_are_no_evidence_against_components():
    """Most random parts miss the two neurons that matter: any two lose a little that either alone does not."""
    groups = parts(1, 1)

    def formula(active):
        return (0.9 if active & (groups[0] | groups[1]) else 0.1) - 1e-6 * (len(active) <= len(POOL) - 2)

    control = partition_control(groups, POOL, drops_of(formula), DEFAULT, fact_key="a")
    assert control.p_value < 0.05
    assert control.partitions_possible == 120


def test_few_partitions_cannot_give_a_small_p_value():
    groups = parts(2, 2)
    settings = DegeneracySettings(partitions=400)
    control = partition_control(groups, POOL[:4], modular(groups), settings, fact_key="a")
    assert control.partitions_possible == 3
    assert control.p_value == pytest.approx(1 / 3, abs=0.08)


def test_draws_depend_on_fact_and_seed_only():
    groups = parts(3, 3)
    noise = np.random.default_rng(0).random(len(POOL))

    def formula(active):
        return float(np.exp(sum(noise[n.index] for n in active) / 10))

    def p_values(pool, settings, key):
        control = partition_control(groups, pool, drops_of(formula), settings, fact_key=key)
        return control.random_jump, control.p_value_jump

    first = p_values(POOL, DEFAULT, "a")
    assert p_values(POOL[::-1], DEFAULT, "a") == first
    assert p_values(POOL, DEFAULT, "b") != first
    assert p_values(POOL, DegeneracySettings(seed=1), "a") != first


def test_random_parts_are_disjoint_and_of_the_same_sizes():
    asked = set()

    def suppressed(sets):
        asked.update(frozenset(s) for s in sets)
        return np.full(len(sets), 0.5)

    partition_control(parts(2, 3), POOL, Drops(suppressed), DEFAULT, fact_key="a")
    assert {len(s) for s in asked} == {0, 2, 3, 5}
    assert set(chain(*asked)) == set(POOL)


def test_partition_with_undefined_index_has_p_value_one():
    drops = drops_of(lambda active: 1.0 - 0.001 * len(active))
    settings = DegeneracySettings(filter="authors")
    assert partition_control(parts(2, 2), POOL, drops, settings, fact_key="a").p_value == 1


@pytest.mark.parametrize("count", range(2, 7))
def test_few_components_have_all_their_proper_subsets(count):
    subsets, weights = proper_subsets(count, np.random.default_rng(0))
    sizes = range(1, count)
    assert subsets == list(chain.from_iterable(combinations(range(count), size) for size in sizes))
    np.testing.assert_allclose(weights, 1 / (2**count - 2))


@pytest.mark.parametrize("count", [7, 10, 40])
def test_many_components_have_a_sample_that_weighs_like_all(count):
    subsets, weights = proper_subsets(count, np.random.default_rng(0))
    sizes = np.array([len(subset) for subset in subsets])
    assert len(set(subsets)) == len(subsets)
    for size in range(1, count):
        everything = math.comb(count, size)
        expected = everything if size in (1, count - 1) else min(everything, 32)
        assert (sizes == size).sum() == expected
        assert weights[sizes == size].sum() == pytest.approx(everything / (2**count - 2))


@given(st.lists(st.integers(1, 2), min_size=1, max_size=3), st.integers(0, 2))
@settings(deadline=None)
def test_partitions_possible_counts_them_all(sizes, spare):
    pool = range(sum(sizes) + spare)
    found = {frozenset()}
    for size in sizes:
        found = {
            (*parts_, frozenset(part))
            for parts_ in found
            for part in combinations(sorted(set(pool) - set(chain(*parts_))), size)
        }
    assert partitions_possible(sizes, len(pool)) == len({frozenset(parts_) for parts_ in found})


def test_many_partitions_are_drawn_only_where_they_can_help():
    many = DegeneracySettings(partitions=1300)
    groups = parts(6, 6)
    real = partition_control(groups, POOL[:12], modular(groups), many, fact_key="a")
    assert (real.partitions_drawn, real.p_value) == (1300, pytest.approx(1 / 1301, rel=5))
    drops = drops_of(lambda active: 0.9 * min(1.0, len(active & set(POOL[:8])) / 4))
    hopeless = partition_control(parts(4, 4), POOL[:8], drops, many, fact_key="a")
    assert (hopeless.partitions_drawn, hopeless.p_value) == (FIRST_PARTITIONS, 1)
    fewer = partition_control(groups, POOL[:12], modular(groups), DegeneracySettings(partitions=30), fact_key="a")
    assert (fewer.partitions_drawn, fewer.p_value) == (30, 1 / 31)


def test_the_first_partitions_are_the_same_however_many_are_asked_for():
    drops = drops_of(lambda active: 0.9 * min(1.0, len(active & set(POOL[:8])) / 4))
    few = partition_control(parts(4, 4), POOL, drops, DEFAULT, fact_key="a")
    many = partition_control(parts(4, 4), POOL, drops, DegeneracySettings(partitions=900), fact_key="a")
    if many.partitions_drawn == FIRST_PARTITIONS:
        assert few == many
    assert few.drop_halves == many.drop_halves


def test_p_values_keep_their_level_when_hopeless_facts_are_given_up():
    """Of groups drawn like the random ones, no more than a share alpha has a p-value up to alpha."""
    rng = np.random.default_rng(0)
    worth = rng.random(len(POOL))
    drops = drops_of(lambda active: float(np.exp(3 * sum(worth[n.index] ** 4 for n in active))))
    settings = DegeneracySettings(partitions=300, t_high=0)
    found = []
    for fact in range(120):
        drawn = [POOL[place] for place in rng.permutation(len(POOL))[:6]]
        groups = [frozenset(drawn[:3]), frozenset(drawn[3:])]
        control = partition_control(groups, POOL, drops, settings, fact_key=str(fact))
        found.append((control.p_value_jump, control.partitions_drawn))
        assert control.partitions_drawn == 300 or control.p_value > HOPELESS
    p_values = np.array([p for p, _ in found])
    assert {drawn for _, drawn in found} == {100, 300}
    for alpha in (0.05, 0.1, 0.3, 0.5):
        assert (p_values <= alpha).mean() <= alpha + 3 * math.sqrt(alpha * (1 - alpha) / 120)


def test_half_of_every_component_tells_complements_from_copies():
    groups = parts(2, 2)
    real = partition_control(groups, POOL[:4], modular(groups), DEFAULT, fact_key="a")
    assert real.drop_halves == pytest.approx(1 - 0.02 / 0.9)
    copies = drops_of(lambda active: 0.9 if active & set(POOL[:4]) else 0.02)
    same = partition_control(groups, POOL[:4], copies, DEFAULT, fact_key="a")
    assert same.drop_halves == 0
    assert same.partitions_possible == 3
    assert halves_lose_as_much(real.drop_halves, 1 - 0.02 / 0.9)
    assert not halves_lose_as_much(same.drop_halves, 1 - 0.02 / 0.9)


def test_half_of_an_odd_component_is_the_smaller_one_and_of_one_neuron_there_is_none():
    asked = set()

    def suppressed(sets):
        asked.update(frozenset(s) for s in sets)
        return np.full(len(sets), 0.5)

    control = partition_control(parts(3, 5), POOL[:8], Drops(suppressed), DEFAULT, fact_key="a")
    assert control.drop_halves == 0
    assert {(len(s & parts(3, 5)[0]), len(s & parts(3, 5)[1])) for s in asked if len(s) == 3} >= {(1, 2)}
    alone = partition_control(parts(1, 4), POOL[:5], Drops(suppressed), DEFAULT, fact_key="a")
    assert math.isnan(alone.drop_halves)
    assert halves_lose_as_much(alone.drop_halves, 0.9)
