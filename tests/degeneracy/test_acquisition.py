"""Acquisition curves against formulas with a known structure."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factneurons.degeneracy.acquisition import acquisition_curves
from factneurons.degeneracy.functional import Drops
from factneurons.degeneracy.settings import DegeneracySettings
from factneurons.degeneracy.types import Component, DegenerateNeurons, mean_of_proper_subsets

DEFAULT = DegeneracySettings()


def component(neurons):
    return Component(tuple(sorted(neurons)), 0.1, 1.0, math.nan, math.nan, math.nan)


@pytest.fixture
def measured(blocks, known_neurons):
    """Curves over groups of given sizes (and spare neurons) under a formula of the whole groups left active."""

    def make(formula, *sizes, spare=0, passed=None, settings=DEFAULT):
        *groups, rest = blocks(*sizes, spare)
        known = known_neurons([neuron for group in [*groups, rest] for neuron in group])
        described = tuple(component(group) for group in groups)
        found = DegenerateNeurons(
            known.fact,
            described[:passed],
            described,
            (),
            "",
            0.9,
            1.0,
            0.01,
            1.0,
            "components",
            "degenerate",
            len(known.neurons),
        )
        asked = []

        def suppressed(sets):
            asked.extend(sets)
            return np.array([formula([not set(group) & set(s) for group in groups]) for s in sets])

        curves = acquisition_curves(found, known, Drops(suppressed), settings)
        return {curve.which: curve for curve in curves}, asked

    return make


def any_one(whole):
    return 0.9 if any(whole) else 0.09


def counted(whole):
    return 0.9 * sum(whole) / len(whole)


def drops_of(curve):
    return [point.mean_drop for point in curve.points]


@pytest.mark.parametrize("count", range(2, 7))
def test_degenerate_components_are_flat_and_jump(measured, count):
    curves, _ = measured(any_one, *[4] * count)
    curve = curves["components"]
    assert drops_of(curve) == pytest.approx([0.0] * (count - 1) + [0.9])
    assert [point.subsets for point in curve.points] == [math.comb(count, k) for k in range(1, count + 1)]
    assert [point.suppressed for point in curve.points] == list(range(1, count + 1))
    assert (curve.groups, curve.size) == (count, 4 * count)
    assert curve.drop_all == pytest.approx(0.9)
    assert curve.drop_proper_subsets == 0
    assert drops_of(curves["candidates"]) == drops_of(curve)
    random = curves["random for components"]
    assert max(drops_of(random)[:-1]) > 0.05, "random parts cut through the components"
    assert random.drop_all == pytest.approx(0.9), "with nothing spare all parts are all neurons"


def test_additive_groups_rise_evenly(measured):
    curves, _ = measured(counted, 2, 2, 2)
    assert drops_of(curves["components"]) == pytest.approx([1 / 3, 2 / 3, 1])
    assert curves["components"].drop_proper_subsets == pytest.approx(1 / 2)


def test_before_and_after_the_filter(measured):
    """Two of three groups passed: with the third left, nothing is lost."""
    curves, _ = measured(any_one, 3, 3, 3, passed=2)
    assert drops_of(curves["components"]) == pytest.approx([0, 0])
    assert drops_of(curves["candidates"]) == pytest.approx([0, 0, 0.9])
    assert curves["components"].size == 6


def test_many_groups_are_sampled(measured):
    curves, asked = measured(any_one, *[2] * 8)
    counts = [point.subsets for point in curves["components"].points]
    assert counts == [8, 28, 32, 32, 32, 28, 8, 1]
    assert len(asked) <= 1 + 2 * 2 * sum(counts), "one random partition"


def test_none_without_two_groups_or_without_a_probability(measured):
    assert measured(any_one, 4, passed=0)[0] == {}
    assert set(measured(any_one, 4, 4, passed=0)[0]) == {"candidates", "random for candidates"}
    assert measured(lambda whole: 0.0, 4, 4)[0] == {}


def test_random_parts_come_from_the_null(measured):
    """Among many neurons without a role, random parts miss what matters; regrouped components do not."""
    wide, _ = measured(any_one, 2, 2, spare=60)
    narrow, _ = measured(any_one, 2, 2, spare=60, settings=replace(DEFAULT, null="components"))
    assert wide["random for components"].drop_all < 0.1
    assert narrow["random for components"].drop_all == pytest.approx(0.9)


def test_the_same_for_the_same_seed(measured):
    first, again = (measured(counted, 2, 2, 2, spare=6)[0] for _ in range(2))
    assert first == again
    other, _ = measured(counted, 2, 2, 2, spare=6, settings=replace(DEFAULT, seed=1))
    assert other["random for components"] != first["random for components"]
    assert other["components"] == first["components"]


@given(st.integers(2, 7), st.integers(0, 1000))
def test_mean_of_proper_subsets_is_that_of_all_of_them(count, seed):
    value = np.random.default_rng(seed).random(2**count)
    subsets = [subset for size in range(1, count + 1) for subset in combinations(range(count), size)]
    drop = {subset: value[sum(2**place for place in subset)] for subset in subsets}
    means = [np.mean([drop[s] for s in subsets if len(s) == size]) for size in range(1, count + 1)]
    assert mean_of_proper_subsets(means) == pytest.approx(np.mean([drop[s] for s in subsets if len(s) < count]))
