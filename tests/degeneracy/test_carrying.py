"""Which facts a group carries, from losses that are written down."""

from __future__ import annotations

import numpy as np

from factneurons.attribution.drops import Drops
from factneurons.degeneracy.carrying import FactsByNeuron, carries_nothing
from factneurons.degeneracy.settings import DegeneracySettings
from factneurons.facts.types import Fact, Prompt
from factneurons.models.questions import answered, knowing
from factneurons.models.types import Neuron

A, B, C, D = (Neuron(0, index) for index in range(4))


def fact(name, language="en"):
    return Fact(name, "capital", "Aland", "Bcity", language, (Prompt("Aland ___"),))


def others(neurons, probability, name="other"):
    def drops_of(_):
        return Drops(lambda sets: knowing(np.array([[probability(frozenset(each)) for each in sets]])))

    return FactsByNeuron([(fact(name), neurons)], drops_of, DegeneracySettings())


def carried(found, group):
    return [each.id for each in answered(found.carried_by(frozenset(group), fact("own")))]


def needs_a(suppressed):
    return 0.1 if A in suppressed else 0.9


def a_or_b(suppressed):
    return 0.1 if {A, B} <= suppressed else 0.9


def test_a_fact_that_needs_a_neuron_of_the_group_is_carried():
    assert carried(others([A, B], needs_a), [A, C]) == ["other"]
    assert carried(others([A, B], needs_a), [B, C]) == []


def test_so_is_one_for_which_the_group_suffices_though_it_can_be_spared():
    assert carried(others([A, B], a_or_b), [A, C]) == ["other"]


def test_not_one_that_suppressing_all_its_neurons_does_not_touch():
    assert carried(others([A, B], lambda _: 0.9), [A, B]) == []


def test_half_of_the_group_must_be_the_other_facts():
    assert carried(others([A], needs_a), [A, B, C]) == []
    assert carried(others([A], needs_a), [A, B]) == ["other"]


def test_a_fact_is_no_other_fact_in_another_language_or_reversed():
    for name in ("own", "own/reverse"):
        assert carried(others([A], needs_a, name), [A]) == []


def test_a_fact_that_cannot_be_asked_or_has_no_probability_is_carried_by_nothing():
    assert carried(others([A], lambda _: 0.0), [A]) == []
    silent = FactsByNeuron([(fact("other"), [A])], lambda _: None, DegeneracySettings())
    assert carried(silent, [A]) == []


def test_losses_are_measured_only_where_neurons_are_shared():
    def refuse(_):
        raise AssertionError("it shares no neuron with the group")

    found = FactsByNeuron([(fact("other"), [D])], refuse, DegeneracySettings())
    assert not answered(found.carrying(fact("own"))(frozenset([A, B])))
    assert not answered(carries_nothing(frozenset([A])))
