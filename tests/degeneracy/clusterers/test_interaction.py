"""Grouping by interaction on set functions that are known: it finds what is there, and cuts what works in stages."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as options
from hypothesis import strategies as st

from factneurons.attribution.drops import Drops
from factneurons.degeneracy.clusterers.base import Context
from factneurons.degeneracy.clusterers.interaction import depths, interaction, stages, with_helpers
from factneurons.degeneracy.settings import DegeneracySettings
from factneurons.models.questions import answered, knowing
from factneurons.models.types import Neuron

SETTINGS = DegeneracySettings(clusterer="interaction")


def neurons_of(count):
    return [Neuron(place % 3, place // 3) for place in range(count)]


def drops_of(probability):
    """Losses where P(answer) is a function of the suppressed set."""
    return Drops(lambda sets: knowing(np.array([[probability(frozenset(each)) for each in sets]])))


def any_component(components, known=0.95, lost=0.01):
    """P(answer): known while at least one component is untouched."""
    return lambda suppressed: known if any(not (part & suppressed) for part in components) else lost


def context(neurons, drops, mediated_effects=None):
    distances = np.ones((len(neurons), len(neurons)))
    ordered = tuple(sorted(neurons))
    rng = np.random.default_rng(0)
    return Context(distances, ordered, (1.0,) * len(ordered), drops, rng, (), mediated_effects)


def clusters(neurons, drops, mediated_effects=None):
    found = answered(interaction(context(neurons, drops, mediated_effects), SETTINGS))
    ordered = sorted(neurons)
    return {frozenset(ordered[place] for place in cluster.members) for cluster in found.clusters}, found.reason


@given(st.lists(st.integers(0, 4), min_size=2, max_size=14), st.integers(0, 4), st.randoms())
@options(deadline=None)
def test_components_are_recovered_whatever_else_there_is(labels, idle, random):
    """An OR of ANDs, each neuron in one of them, and neurons that do nothing."""
    neurons = neurons_of(len(labels) + idle)
    random.shuffle(neurons)
    parts = [
        frozenset(neuron for neuron, own in zip(neurons, labels, strict=False) if own == label) for label in {*labels}
    ]
    found, reason = clusters(neurons, drops_of(any_component(parts)))
    assert found == set(parts)
    assert reason == ("" if len(parts) > 1 else "one-cluster")


def test_groups_below_a_size_that_is_asked_for_are_left_out():
    """Two copies of one neuron and one of two: by default a copy can be one neuron."""
    neurons = neurons_of(4)
    parts = [frozenset(neurons[:1]), frozenset(neurons[1:2]), frozenset(neurons[2:])]
    assert clusters(neurons, drops_of(any_component(parts))) == (set(parts), "")
    for least, kept in ((2, parts[2:]), (3, [])):
        found = answered(
            interaction(context(neurons, drops_of(any_component(parts))), replace(SETTINGS, min_size=least))
        )
        ordered = sorted(neurons)
        assert {frozenset(ordered[place] for place in each.members) for each in found.clusters} == set(kept)
        assert found.reason == "one-cluster"


def test_reasons():
    pair = neurons_of(2)
    assert clusters(pair[:1], drops_of(any_component([frozenset(pair)])))[1] == "too-few-neurons"
    assert clusters(pair, drops_of(lambda _: 0.0))[1] == "zero-probability"
    assert clusters(pair, drops_of(lambda _: 0.5))[1] == "not-jointly-needed"


def test_a_helper_joins_the_group_that_misses_it():
    """Each of two neurons suffices; a third one makes the second one surer."""
    first, second, helper = neurons_of(3)

    def probability(suppressed):
        if first not in suppressed:
            return 0.95
        if second not in suppressed:
            return 0.95 if helper not in suppressed else 0.85
        return 0.01

    drops, everything = drops_of(probability), frozenset((first, second, helper))
    groups = [frozenset({first}), frozenset({second})]
    assert answered(with_helpers(groups, everything, drops)) == [groups[0], frozenset({second, helper})]
    assert answered(with_helpers([], everything, drops)) == []


def test_what_helps_nobody_joins_nothing():
    first, second, idle = neurons_of(3)
    drops = drops_of(any_component([frozenset({first}), frozenset({second})]))
    groups = [frozenset({first}), frozenset({second})]
    assert answered(with_helpers(groups, frozenset((first, second, idle)), drops)) == groups


def test_one_sufficient_set_is_cut_into_stages():
    neurons = [Neuron(0, 0), Neuron(0, 1), Neuron(1, 0), Neuron(1, 1)]

    def passed(needed):
        layers = np.array([neuron.layer for neuron in needed])
        return np.where(layers[:, None] < layers[None, :], 0.9, 0.0)

    found, reason = clusters(
        neurons, drops_of(any_component([frozenset(neurons)])), lambda needed: knowing(passed(needed))
    )
    assert found == {frozenset(neurons[:2]), frozenset(neurons[2:])}
    assert reason == ""
    whole, reason = clusters(
        neurons, drops_of(any_component([frozenset(neurons)])), lambda needed: knowing(passed(needed) / 10)
    )
    assert (whole, reason) == ({frozenset(neurons)}, "one-cluster")


def test_a_chain_of_single_neurons_stays_whole():
    chain = [Neuron(layer, 0) for layer in range(3)]
    assert answered(stages(chain, lambda needed: knowing(np.triu(np.ones((3, 3)), 1)), 2)) == [frozenset(chain)]


@pytest.mark.parametrize(
    ("needs", "depth"),
    [
        ([], [0, 0, 0, 0]),
        ([(0, 1), (1, 2), (2, 3)], [0, 1, 2, 3]),
        ([(0, 2), (1, 2), (0, 3)], [0, 0, 1, 1]),
        ([(0, 1), (1, 2), (0, 2), (0, 3)], [0, 1, 2, 1]),
    ],
)
def test_depths(needs, depth):
    matrix = np.zeros((4, 4), dtype=bool)
    for first, second in needs:
        matrix[first, second] = True
    assert depths(matrix) == depth
