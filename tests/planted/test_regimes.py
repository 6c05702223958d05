"""What each regime promises, on components made by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from factneurons.facts.types import Fact, Prompt
from factneurons.models.types import Neuron
from factneurons.planted.regimes import BROKEN, LOST, STORED, UNHELPED, promises
from factneurons.planted.types import PlantedComponent, PlantedFact

A, B, C, D, E, F = (Neuron(layer, index) for layer in (1, 2) for index in (0, 1, 2))
OTHER = Neuron(3, 0)
FACT = Fact("r/a", "r", "s", "a", "en", (Prompt("s is ___."),))


def _promises(regime, *parts, languages=(), helpers=(), accepting=False):
    languages = languages or ("",) * len(parts)
    components = tuple(
        PlantedComponent(part, language=language) for part, language in zip(parts, languages, strict=True)
    )
    planted = PlantedFact((FACT,), regime, components, helpers=helpers)
    found = promises(planted, [*planted.everything, OTHER], accepting=accepting)
    assert len({(promise.suppressed, promise.language) for promise in found}) == len(found)
    return {(promise.suppressed, promise.language): (promise.at_least, promise.at_most) for promise in found}


def _set(*neurons):
    return frozenset(neurons), ""


AT_LEAST, GONE, PART = (STORED, 1.0), (0.0, LOST), (0.0, BROKEN)


def test_thresholds():
    assert (STORED, LOST, BROKEN) == (0.8, 0.05, 0.3)


@pytest.mark.parametrize("regime", ["single", "shared"])
def test_one_component(regime):
    assert _promises(regime, (A, B)) == {
        _set(): AT_LEAST,
        _set(OTHER): AT_LEAST,
        _set(A, B): GONE,
        _set(A): PART,
        _set(B): PART,
    }


def test_a_fact_at_the_subject_keeps_its_answer_at_the_target():
    own = frozenset(Neuron(1, index) for index in range(2))
    fact = PlantedFact((FACT,), "subject", (PlantedComponent(tuple(sorted(own))),))
    found = promises(fact, own)
    (at_target,) = (promise for promise in found if promise.at_target)
    assert (at_target.suppressed, at_target.at_least) == (own, STORED)
    assert [each for each in found if each is not at_target] == promises(replace(fact, regime="single"), own)
    assert (fact.positions, replace(fact, regime="single").positions) == ("subject_last", "target")


def test_one_component_of_one_neuron():
    assert _promises("single", (A,)) == {_set(): AT_LEAST, _set(OTHER): AT_LEAST, _set(A): GONE}


@pytest.mark.parametrize("regime", ["degenerate", "redundant"])
def test_components_that_each_suffice(regime):
    assert _promises(regime, (A, B), (D, E)) == {
        _set(): AT_LEAST,
        _set(OTHER): AT_LEAST,
        _set(A, B, D, E): GONE,
        _set(D, E): AT_LEAST,  # the first alone
        _set(A, B): AT_LEAST,  # the second alone
        _set(A, D, E): PART,
        _set(B, D, E): PART,
        _set(A, B, D): PART,
        _set(A, B, E): PART,
        _set(A, D): PART,
        _set(A, E): PART,
        _set(B, D): PART,
        _set(B, E): PART,
    }


def test_three_components_leave_out_some_of_the_halves():
    found = _promises("degenerate", (A, B, C), (D, E, F), (Neuron(4, 0), Neuron(4, 1)))
    halves = [neurons for (neurons, _), bounds in found.items() if bounds == PART and len(neurons) == 3]
    assert len(halves) == 8
    assert all(len({neuron.layer for neuron in neurons}) == 3 for neurons in halves)


def test_components_that_are_each_needed():
    assert _promises("conjunctive", (A, B), (D,)) == {
        _set(): AT_LEAST,
        _set(OTHER): AT_LEAST,
        _set(A, B, D): GONE,
        _set(A, B): GONE,
        _set(D): GONE,
    }


def test_bilingual():
    found = _promises("bilingual", (A,), (D,), (E,), languages=("", "en", "zh"))
    assert found == {
        _set(): AT_LEAST,
        _set(OTHER): AT_LEAST,
        _set(A, D, E): GONE,
        _set(A): GONE,
        (frozenset({D}), "en"): GONE,
        (frozenset({E}), "zh"): GONE,
    }


def test_interchangeable():
    found = _promises("interchangeable", *((neuron,) for neuron in (A, B, D, E)))
    halves = [neurons for (neurons, _), bounds in found.items() if bounds == AT_LEAST and len(neurons) == 2]
    alone = [neurons for (neurons, _), bounds in found.items() if bounds == PART]
    assert len(halves) == 6
    assert sorted(alone, key=sorted) == sorted(({A, B, D, E} - {neuron} for neuron in (A, B, D, E)), key=sorted)
    assert found[_set(A, B, D, E)] == GONE


@pytest.mark.parametrize("regime", ["lone", "copies", "large", "unequal", "four"])
def test_hard_regimes_with_distinct_components_promise_what_redundant_ones_do(regime):
    assert _promises(regime, (A, B), (D, E)) == _promises("redundant", (A, B), (D, E))


def test_single_neurons_that_each_suffice_promise_nothing_of_their_parts():
    found = _promises("copies", (A,), (D,))
    assert found == {_set(): AT_LEAST, _set(OTHER): AT_LEAST, _set(A, D): GONE, _set(D): AT_LEAST, _set(A): AT_LEAST}


def test_a_lone_neuron_is_missing_from_every_part():
    found = _promises("lone", (A,), (B, C), (D, E))
    assert found[_set(B, C, D, E)] == AT_LEAST
    for broken in ((A, B, D), (A, B, E), (A, C, D), (A, C, E)):
        assert found[_set(*broken)] == PART


def test_of_large_components_halves_are_drawn_and_always_the_same():
    first, second = (tuple(Neuron(layer, index) for index in range(size)) for layer, size in ((1, 9), (2, 6)))
    found = _promises("large", first, second)
    assert found == _promises("large", first, second)
    broken = [neurons for (neurons, _), bounds in found.items() if bounds == PART]
    of_one = [neurons for neurons in broken if set(first) <= neurons or set(second) <= neurons]
    assert sorted(len(neurons) for neurons in of_one) == [4 + 6] * 24 + [9 + 3] * 15
    of_both = [neurons for neurons in broken if neurons not in of_one]
    assert [(len(neurons & {*first}), len(neurons & {*second})) for neurons in of_both] == [(4, 3)] * 24


def test_of_what_is_drawn_other_sets_are_accepted_with_than_are_trained_with():
    for regime, parts in {
        "large": [[Neuron(layer, index) for index in range(size)] for layer, size in ((1, 12), (2, 5))],
        "diffuse": [[Neuron(1, index)] for index in range(30)],
    }.items():
        trained, accepted = (_promises(regime, *parts, accepting=accepting) for accepting in (False, True))
        assert trained
        assert {neurons for (neurons, _) in trained} & {neurons for (neurons, _) in accepted} == {
            neurons for (neurons, _), bounds in trained.items() if bounds in (GONE, AT_LEAST) and len(neurons) != 15
        }


def test_components_that_share_a_neuron():
    assert _promises("overlapping", (A, B, D), (A, C, E)) == {
        _set(): AT_LEAST,
        _set(OTHER): AT_LEAST,
        _set(A, B, C, D, E): GONE,
        _set(A): GONE,
        _set(C, E): AT_LEAST,
        _set(B, D): AT_LEAST,
        _set(B, C): PART,
        _set(B, E): PART,
        _set(D, C): PART,
        _set(D, E): PART,
    }


def test_helpers_lift_a_fact_and_none_of_them_matters():
    assert _promises("helped", (A, B), helpers=(D, E, F)) == {
        _set(): AT_LEAST,
        _set(OTHER): AT_LEAST,
        _set(A, B): GONE,  # the helpers alone
        _set(A, B, D, E, F): GONE,
        _set(A): PART,
        _set(B): PART,
        _set(D, E, F): UNHELPED,
        **{_set(helper): AT_LEAST for helper in (D, E, F)},
    }


def test_a_diffuse_fact_lives_in_any_half():
    own = [Neuron(1, index) for index in range(30)]
    found = _promises("diffuse", *((neuron,) for neuron in own))
    missing = [neurons for (neurons, _), bounds in found.items() if bounds == AT_LEAST and len(neurons) > 1]
    fifths = [neurons for (neurons, _), bounds in found.items() if bounds == PART]
    assert [len(neurons) for neurons in missing] == [15] * 24
    assert [len(neurons) for neurons in fifths] == [24] * 24
