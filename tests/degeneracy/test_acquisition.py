"""Acquisition curves against formulas with a known structure."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import chain, combinations

import numpy as np
import pytest

from factneurons.attribution.drops import Drops
from factneurons.degeneracy.acquisition import (
    acquisition_by_clusterer,
    acquisition_curves,
    proper_subsets,
    random_partition,
)
from factneurons.degeneracy.settings import DegeneracySettings
from factneurons.degeneracy.tables import ACQUISITION
from factneurons.degeneracy.types import Component, DegenerateNeurons
from factneurons.errors import BadSetting
from factneurons.models.questions import answered, knowing
from factneurons.models.types import Neuron

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
            known.fact, described[:passed], described, (), "", 0.9, 1.0, 1.0, "degenerate", "distinct", 0
        )
        asked = []

        def suppressed(sets):
            asked.extend(sets)
            return knowing(np.array([[formula([not set(group) & set(s) for group in groups]) for s in sets]]))

        curves = answered(acquisition_curves(found, known, Drops(suppressed), settings))
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
    assert drops_of(curves["candidates"]) == drops_of(curve)
    random = curves["random for components"]
    assert max(drops_of(random)[:-1]) > 0.05, "random parts cut through the components"
    assert random.drop_all == pytest.approx(0.9), "with nothing spare all parts are all neurons"


def test_additive_groups_rise_evenly(measured):
    curves, _ = measured(counted, 2, 2, 2)
    assert drops_of(curves["components"]) == pytest.approx([1 / 3, 2 / 3, 1])


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


def test_random_parts_come_from_all_knowledge_neurons(measured):
    """Among many neurons without a role, random parts miss what matters."""
    curves, _ = measured(any_one, 2, 2, spare=60)
    assert curves["random for components"].drop_all < 0.1


@pytest.mark.parametrize("count", range(2, 7))
def test_few_components_have_all_their_proper_subsets(count):
    subsets = proper_subsets(count, np.random.default_rng(0))
    assert subsets == list(chain.from_iterable(combinations(range(count), size) for size in range(1, count)))


@pytest.mark.parametrize("count", [7, 10, 40])
def test_many_components_have_a_sample_of_every_size(count):
    subsets = proper_subsets(count, np.random.default_rng(0))
    assert len(set(subsets)) == len(subsets)
    for size in range(1, count):
        every = math.comb(count, size)
        expected = every if size in (1, count - 1) else min(every, 32)
        assert sum(len(subset) == size for subset in subsets) == expected


def test_random_parts_are_disjoint_and_of_the_wanted_sizes():
    pool = [Neuron(0, place) for place in range(9)]
    parts = random_partition(pool, [2, 3], np.random.default_rng(0))
    assert [len(part) for part in parts] == [2, 3]
    assert len(frozenset().union(*parts) & set(pool)) == 5


def test_the_same_for_the_same_seed(measured):
    first, again = (measured(counted, 2, 2, 2, spare=6)[0] for _ in range(2))
    assert first == again
    other, _ = measured(counted, 2, 2, 2, spare=6, settings=replace(DEFAULT, seed=1))
    assert other["random for components"] != first["random for components"]
    assert other["components"] == first["components"]


def test_clusterers_are_compared_on_the_same_facts(formula_model, known_neurons, blocks):
    halves = blocks(6, 6)
    model = formula_model(
        halves, lambda text, suppressed: 0.9 if any(not set(half) & suppressed for half in halves) else 0.09
    )
    known = known_neurons([neuron for half in halves for neuron in half])
    names = ("ntc", "ntc_authors")
    frame = acquisition_by_clusterer(model, [known], names, DegeneracySettings(tau1=0.5))
    assert list(frame.columns) == ACQUISITION.names
    assert ACQUISITION.to_arrow(frame.to_dict("records")).num_rows == len(frame)
    assert set(frame["clusterer"]) <= set(names)
    components = frame[(frame["clusterer"] == "ntc") & (frame["which"] == "components")]
    assert components["mean_drop"].tolist() == pytest.approx([0, 0.9])
    assert components["size"].tolist() == [12, 12]
    random = frame[frame["which"] == "random for components"]
    assert random["mean_drop"].iloc[0] > 0.3
    with pytest.raises(BadSetting, match="clusterer is 'no such'"):
        acquisition_by_clusterer(model, [known], ["no such"])
