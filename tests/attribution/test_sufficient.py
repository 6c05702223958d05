"""Sufficient sets on set functions that are known."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import settings as options
from hypothesis import strategies as st

from factneurons.attribution.drops import Drops
from factneurons.attribution.sufficient import sufficient_sets
from factneurons.models.questions import answered, knowing
from factneurons.models.types import Neuron

MOST_LOST = 0.2


def neurons_of(count):
    return [Neuron(place % 3, place // 3) for place in range(count)]


def drops_of(probability):
    """Losses where P(answer) is a function of the suppressed set."""
    return Drops(lambda sets: knowing(np.array([[probability(frozenset(each)) for each in sets]])))


@given(st.lists(st.integers(0, 4), min_size=1, max_size=14), st.integers(0, 4))
@options(deadline=None)
def test_an_or_of_ands_gives_its_ands(labels, idle):
    """And neurons that do nothing are in none of them."""
    neurons = neurons_of(len(labels) + idle)
    named = list(zip(neurons, labels, strict=False))
    parts = [frozenset(neuron for neuron, own in named if own == label) for label in {*labels}]
    drops = drops_of(lambda suppressed: 0.95 if any(not (part & suppressed) for part in parts) else 0.01)
    found = answered(sufficient_sets(frozenset(neurons), drops, MOST_LOST))
    assert set(found) == set(parts)
    assert len(found) == len(parts)


@given(st.integers(3, 9), st.integers(1, 3))
def test_of_neurons_that_count_alike_any_are_a_group(count, enough):
    """A threshold function: any `enough` of the neurons suffice, so groups are of that size, and none is better."""
    neurons = neurons_of(count)
    enough = min(enough, count)
    drops = drops_of(lambda suppressed: 0.95 if count - len(suppressed) >= enough else 0.01)
    found = answered(sufficient_sets(frozenset(neurons), drops, MOST_LOST))
    assert [len(group) for group in found] == [enough] * (count // enough)
    assert len(frozenset().union(*found)) == enough * (count // enough)


def test_what_does_not_carry_the_fact_has_no_sufficient_set():
    """Where everything may be suppressed without loss, nothing is needed to suffice."""
    assert answered(sufficient_sets(frozenset(neurons_of(3)), drops_of(lambda suppressed: 0.9), MOST_LOST)) == []
    assert answered(sufficient_sets(frozenset(), drops_of(lambda suppressed: 0.9), MOST_LOST)) == []
