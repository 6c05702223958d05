"""The functional tests on tables of probabilities whose verdict is known."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from factneurons.attribution.drops import Drops, all_but_each
from factneurons.degeneracy.functional import functional_filter
from factneurons.degeneracy.indices import degeneracy_index
from factneurons.degeneracy.settings import DegeneracySettings
from factneurons.models.questions import answered, knowing
from factneurons.models.types import Neuron

DEFAULT = DegeneracySettings()
ONE, TWO, THREE = (frozenset({Neuron(0, place), Neuron(1, place)}) for place in range(3))


def drops_by(table, untouched=0.8):
    """Drops from P(answer) by which of the components are suppressed."""

    def suppressed(neuron_sets):
        names = [frozenset(c for c in (ONE, TWO, THREE) if c <= set(neurons)) for neurons in neuron_sets]
        return knowing(np.array([[untouched if not name else table[name] for name in names]]))

    drops = Drops(suppressed)
    answered(drops.measure(frozenset().union(*name) for name in table))
    return drops


def key(*components):
    return frozenset(components)


@pytest.fixture
def worked_drops():
    return drops_by({key(ONE): 0.78, key(TWO): 0.79, key(ONE, TWO): 0.08})


def test_worked_example(worked_drops):
    np.testing.assert_allclose(worked_drops([ONE, TWO, ONE | TWO]), [0.025, 0.0125, 0.9])
    assert answered(functional_filter([ONE, TWO], worked_drops, DEFAULT)) == ((ONE, TWO), "")
    np.testing.assert_allclose(worked_drops(all_but_each([ONE, TWO])), [0.0125, 0.025])
    index = degeneracy_index(worked_drops.of(ONE | TWO), worked_drops(all_but_each([ONE, TWO])))
    assert round(index, 3) == 0.979


def test_f1_is_strict_and_a_gain_counts_as_small():
    drops = drops_by({key(ONE): 0.76, key(TWO): 0.9, key(ONE, TWO): 0.08})
    assert answered(functional_filter([ONE, TWO], drops, DegeneracySettings(t_low=0.06)))[1] == ""
    at_limit = DegeneracySettings(t_low=drops.of(ONE))
    assert answered(functional_filter([ONE, TWO], drops, at_limit)) == ((), "fewer-than-two-dispensable")


def test_f2_and_f3_include_their_thresholds(worked_drops):
    at_limit = DegeneracySettings(t_sufficient=worked_drops.of(ONE), t_high=worked_drops.of(ONE | TWO))
    assert answered(functional_filter([ONE, TWO], worked_drops, at_limit)) == ((ONE, TWO), "")


def test_f3_needs_a_joint_loss():
    drops = drops_by({key(ONE): 0.8, key(TWO): 0.8, key(ONE, TWO): 0.6})
    assert answered(functional_filter([ONE, TWO], drops, DEFAULT)) == ((), "not-jointly-needed")
    assert answered(functional_filter([ONE, TWO], drops, DegeneracySettings(t_high=0.2)))[1] == ""
    assert answered(functional_filter([ONE, TWO], drops, DegeneracySettings(filter="authors"))) == ((ONE, TWO), "")


def test_f2_leaves_out_the_worst_and_looks_again():
    """Three alone cannot carry the fact; without it in D, ONE and TWO pass."""
    alone = {key(c): 0.79 for c in (ONE, TWO, THREE)}
    left = {key(TWO, THREE): 0.7, key(ONE, THREE): 0.7, key(ONE, TWO): 0.1}
    drops = drops_by(alone | left | {key(ONE, TWO, THREE): 0.05})
    assert answered(functional_filter([ONE, TWO, THREE], drops, DEFAULT)) == ((ONE, TWO), "")
    np.testing.assert_allclose(drops(all_but_each([ONE, TWO, THREE])), [0.125, 0.125, 0.875])
    assert answered(functional_filter([ONE, TWO, THREE], drops, DegeneracySettings(t_sufficient=0.9)))[0] == (
        ONE, TWO, THREE,
    )  # fmt: skip
    loose = DegeneracySettings(filter="authors")
    assert answered(functional_filter([ONE, TWO, THREE], drops, loose))[0] == (ONE, TWO, THREE)


def test_f2_can_leave_none_when_it_is_stricter_than_f1():
    drops = drops_by({key(ONE): 0.6, key(TWO): 0.6, key(ONE, TWO): 0.05})
    settings = DegeneracySettings(t_low=0.5, t_sufficient=0.2)
    assert answered(functional_filter([ONE, TWO], drops, settings)) == ((), "not-sufficient")


def test_the_order_of_clusters_does_not_matter():
    alone = {key(c): 0.79 for c in (ONE, TWO, THREE)}
    pairs = {key(a, b): 0.1 for a, b in combinations((ONE, TWO, THREE), 2)}
    drops = drops_by(alone | pairs | {key(ONE, TWO, THREE): 0.05})
    first = answered(functional_filter([ONE, TWO, THREE], drops, DEFAULT))
    assert answered(functional_filter([THREE, ONE, TWO], drops, DEFAULT)) == first
