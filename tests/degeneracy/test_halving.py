"""The halving test: its theorem, landscapes without groups, components by hand, and what cannot be told."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factneurons.attribution.drops import Drops
from factneurons.attribution.sufficient import sufficient_sets
from factneurons.degeneracy.clusterers.interaction import with_helpers
from factneurons.degeneracy.functional import functional_filter
from factneurons.degeneracy.halving import MOST_SPLITS, halves_of, halving_test, split_prompts
from factneurons.degeneracy.settings import DegeneracySettings
from factneurons.models.questions import answered, knowing
from factneurons.models.types import Neuron

DEFAULT = DegeneracySettings()
NEURONS = [Neuron(place // 6, place % 6) for place in range(18)]
NUMBER = {neuron: place for place, neuron in enumerate(NEURONS)}


def parts(*sizes):
    stops = np.cumsum((0, *sizes)).tolist()
    return [frozenset(NEURONS[start:stop]) for start, stop in pairwise(stops)]


def landscape(weights, link):
    """P of every prompt from a sum of its weights, [prompts, neurons], of the neurons left active."""

    def suppressed(sets):
        active = np.ones((len(sets), weights.shape[1]))
        for row, neurons in enumerate(sets):
            active[row, [NUMBER[neuron] for neuron in neurons]] = 0
        return knowing(link(weights @ active.T))

    return suppressed


def written(*formulas):
    """P of every prompt from a formula of the suppressed neurons."""
    return lambda sets: knowing(
        np.reshape([[formula(frozenset(each)) for each in sets] for formula in formulas], (len(formulas), len(sets)))
    )


def outcome(groups, held_out, key="a", seed=42):
    return answered(halving_test(groups, held_out, t_high=DEFAULT.t_high, seed=seed, fact_key=key))


def either(groups):
    """One untouched group suffices."""
    return lambda suppressed: 0.9 if any(not group & suppressed for group in groups) else 0.02


STEPS = st.lists(st.floats(0, 1), min_size=20, max_size=20)


@given(
    st.lists(st.floats(-1, 3), min_size=18, max_size=18),
    STEPS,
    st.lists(st.integers(1, 7), min_size=2, max_size=5).filter(lambda sizes: sum(sizes) <= 18),
    st.integers(0, 10**6),
)
@settings(max_examples=200, deadline=None)
def test_the_theorem(weights, steps, sizes, seed):
    """Any nondecreasing function of any sum of weights, steep, flat or in steps, and any disjoint groups: T <= 0."""
    heights = np.cumsum([0.01, *steps])
    shuffled = np.random.default_rng(seed).permutation(18)
    groups = [frozenset(NEURONS[place] for place in shuffled[[NUMBER[n] for n in group]]) for group in parts(*sizes)]
    low, high = sorted((0.0, sum(weights)))

    def link(total):
        return np.interp(np.round(total, 9), np.linspace(low - 20, high + 20, len(heights)), heights)

    found = outcome(groups, landscape(np.array([weights]), link), seed=seed)
    assert (found.reason == "no-halves") == (sum(size > 1 for size in sizes) < 2)
    if not found.reason:
        assert found.value == found.least <= 1e-7
        assert found.splits <= MOST_SPLITS


def sigmoid(total):
    return 1 / (1 + np.exp(1.5 - total))


def searched(weights, link):
    """What `interaction` and the functional tests make of a landscape, and T of the other prompts."""
    asked, others = split_prompts(weights)
    drops, everything = Drops(landscape(asked, link)), frozenset(NEURONS)
    if answered(drops.asked([everything]))[0] < DEFAULT.t_high:
        return None
    sets = answered(sufficient_sets(everything, drops, DEFAULT.t_sufficient))
    found = answered(with_helpers(sets, everything, drops))
    passed = answered(functional_filter(found, drops, DEFAULT))[0] if len(found) > 1 else ()
    return outcome(passed, landscape(others, link)) if passed else None


@pytest.mark.parametrize("noise", [0, 0.1, 0.3])
@pytest.mark.parametrize("kind", ["lognormal", "equal", "linear"])
def test_no_landscape_without_groups_is_called_distinct(kind, noise):
    """The search is free to find what it wants: the functional tests pass, the halving test does not."""
    rng, passing = np.random.default_rng(7), 0
    for _ in range(30):
        weights = np.full(18, 0.3) if kind == "equal" else np.exp(rng.normal(size=18))
        if kind == "linear":
            weights = weights / weights.sum()
        every_prompt = weights * np.exp(noise * rng.normal(size=(8, 18)))
        found = searched(every_prompt, (lambda total: 0.01 + 0.9 * total) if kind == "linear" else sigmoid)
        if found is not None and not found.reason:
            passing += 1
            assert found.value < (DEFAULT.halving if noise else 1e-9)
    assert passing >= (10 if kind == "lognormal" else 0)


@pytest.mark.parametrize("sizes", [(2, 2), (2, 3, 4), (6, 6), (3, 3, 3, 3)])
def test_an_or_of_ands_is_distinct(sizes):
    groups = parts(*sizes)
    found = outcome(groups, written(either(groups), either(groups)))
    assert (found.value, found.least) == pytest.approx((1, 1))
    assert found.prompts == 2
    assert found.evidence["halving"] == found.value >= DEFAULT.halving


def test_interchangeable_neurons_are_not():
    groups = parts(4, 4)
    found = outcome(groups, written(lambda suppressed: 0.9 * min(1.0, (8 - len(suppressed)) / 4) + 0.001))
    assert found.value == pytest.approx(0)


def test_groups_of_one_neuron_are_suppressed_in_every_set():
    pair, other, alone = parts(2, 2, 1)
    groups, asked = [pair, other, alone], []

    def suppressed(sets):
        asked.extend(map(frozenset, sets))
        return written(either(groups))(sets)

    assert outcome(groups, suppressed).value == pytest.approx(1)
    assert frozenset() in asked
    assert all(alone <= each for each in asked if each and each != pair | other)


@pytest.mark.parametrize("sizes", [(1, 1), (1, 5), (1, 1, 1, 4), (6,)])
def test_what_has_no_halves_is_undecided(sizes):
    groups = parts(*sizes)
    found = outcome(groups, written(either(groups)))
    assert (found.reason, found.splits, found.evidence) == ("no-halves", 0, {})
    assert math.isnan(found.value)


@pytest.mark.parametrize("formulas", [(), (lambda suppressed: 0.0,)])
def test_without_another_prompt_it_is_undecided(formulas):
    found = outcome(parts(2, 2), written(*formulas))
    assert (found.reason, found.prompts) == ("one-prompt", 0)


def test_prompts_are_kept_apart():
    """One prompt says distinct, one loses nothing and says nothing, one has no probability and is left out."""
    groups = parts(2, 2)
    found = outcome(groups, written(either(groups), lambda _: 0.5, lambda _: 0.0))
    assert (found.value, found.least, found.prompts) == (pytest.approx(0.5), 0, 2)


def test_a_prompt_at_which_suppression_helps_is_no_evidence():
    """All groups suppressed help: the theorem says nothing, so that nothing above 0 counts."""
    groups = parts(2, 2, 2)
    assert outcome(groups, written(lambda suppressed: 0.1 + 0.1 * len(suppressed))).value <= 0


@pytest.mark.parametrize(("sizes", "splits"), [((2, 2), 2), ((2, 3), 6), ((2, 2, 2), 4), ((3, 3), 18), ((4, 4), 18)])
def test_all_splits_where_they_are_few(sizes, splits):
    groups = [sorted(group) for group in parts(*sizes)]
    halves = halves_of(groups, np.random.default_rng(0))
    assert len(halves) == len(set(halves)) == splits
    everything = frozenset(NEURONS[: sum(sizes)])
    assert not {everything - half for half in halves} & set(halves)


def test_drawn_splits_are_halves_of_every_group():
    groups = [sorted(group) for group in parts(6, 5, 3)]
    halves = halves_of(groups, np.random.default_rng(0))
    assert len(halves) == MOST_SPLITS
    sizes = [{len(half & set(group)) for half in halves} for group in groups]
    assert sizes == [{3}, {2, 3}, {1, 2}]


def test_splits_depend_on_fact_and_seed_only():
    worth = np.random.default_rng(0).random((1, 18))
    groups, held_out = parts(6, 6), landscape(worth, lambda total: total**3)
    first = outcome(groups, held_out)
    assert outcome(groups, held_out) == first
    assert outcome(groups, held_out, key="b") != first
    assert outcome(groups, held_out, seed=1) != first


def test_every_prompt_is_either_searched_with_or_held_out():
    assert split_prompts((1, 2, 3, 4, 5)) == ((1, 3, 5), (2, 4))
    assert split_prompts((1,)) == ((1,), ())
