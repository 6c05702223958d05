"""Degenerate or redundant: hand-made models in which it is known which facts a component carries."""

from __future__ import annotations

import math

import numpy as np
import pytest

from factneurons.degeneracy.redundancy import OtherFact, RedundancySettings, carried_facts
from factneurons.degeneracy.types import Component, DegenerateNeurons
from factneurons.errors import BadNumber, BadSetting
from factneurons.facts.types import Fact, Prompt
from factneurons.models.types import Neuron, Query

FIRST = (Neuron(0, 0), Neuron(1, 0))
SECOND = (Neuron(0, 1), Neuron(1, 1))
SILENT = [(Neuron(0, 10 + 2 * n), Neuron(1, 10 + 2 * n)) for n in range(99)]
OTHERS = 20


def other(number, neurons=()):
    prompt = Prompt(f"Other {number} is ___.")
    fact = Fact(f"other/{number}", "other", f"Subject {number}", "Bar", "en", (prompt,))
    return OtherFact(fact, Query(prompt, "Bar", (1,), (0,), (number,), (), ()), frozenset(neurons))


def found(*components):
    fact = Fact("capital/foo", "capital", "Foo", "Bar", "en", (Prompt("Foo: ___"),))
    described = tuple(Component(tuple(neurons), 0, 1, 0, 0, 1) for neurons in components)
    return DegenerateNeurons(fact, described, described, (), "", 0.9, 1.0, 0.01, 1.0, "components", "degenerate")


class Carriers:
    """Suppressing a neuron takes half of the probability of the facts it carries."""

    def __init__(self, carries, out=None):
        self.carries, self.out, self.calls = carries, out or {}, []

    def probabilities_with(self, queries, neuron_sets):
        self.calls.append(len(neuron_sets))
        return np.array(
            [
                [0.8 * 0.5 ** sum(q.answer_ids[0] in self.carries.get(n, ()) for n in s) for s in neuron_sets]
                for q in queries
            ]
        )

    def out_weights(self, neurons):
        return np.array([self.out.get(neuron, (1.0, 0.0)) for neuron in neurons])


def measured(carries, *, out=None, neurons=(), random=SILENT, settings=None, count=OTHERS):
    others = [other(number, neurons) for number in range(count)]
    return carried_facts(Carriers(carries, out), found(FIRST, SECOND), others, [random, random], settings)


def test_components_that_carry_different_facts_are_degenerate():
    result = measured({FIRST[0]: {0, 1, 2, 3}, SECOND[1]: {3, 4, 5}})
    assert result.carries == "others"
    first, second = result.components
    assert (first.other_facts, second.other_facts) == (4 / 20, 3 / 20)
    assert [fact.id for fact in first.affected] == ["other/0", "other/1", "other/2", "other/3"]
    assert first.p_value == second.p_value == 1 / 100
    assert first.random_other_facts == 0
    assert first.overlap == second.overlap == 1 / 6
    assert first.redundancy == pytest.approx(1 / 6)
    assert first.neurons == FIRST
    assert result.others == 20


def test_components_that_carry_nothing_else_are_redundant():
    result = measured({})
    assert result.carries == "nothing-else"
    for each in result.components:
        assert (each.other_facts, each.p_value, each.affected) == (0, 1, ())
        assert each.overlap == 1, "both carry the same: nothing"
        assert each.redundancy == pytest.approx(1)


@pytest.mark.parametrize(
    "carries",
    [
        {FIRST[0]: {0, 1, 2}, SECOND[0]: {0, 1, 2}},  # the same facts
        {FIRST[0]: {0, 1, 2}},  # one carries some, the other none
    ],
)
def test_anything_else_is_undecided(carries):
    assert measured(carries).carries == "undecided"


def test_no_more_than_random_neurons_carry_is_no_evidence():
    everywhere = {neuron: set(range(10)) for neurons in SILENT for neuron in neurons}
    result = measured({**everywhere, FIRST[0]: {0, 1, 2}, SECOND[0]: {4, 5, 6}})
    assert result.carries == "undecided"
    assert [each.p_value for each in result.components] == [1, 1]
    assert [each.random_other_facts for each in result.components] == [0.5, 0.5]


def test_a_small_change_is_none():
    carries = {FIRST[0]: {0, 1}, SECOND[0]: {2, 3}}
    assert measured(carries, settings=RedundancySettings(changed=0.69)).carries == "others"  # ln 2 = 0.693
    assert measured(carries, settings=RedundancySettings(changed=0.70)).carries == "nothing-else"


def test_thresholds_of_the_verdict():
    one = {FIRST[0]: {0}}
    result = measured(one, settings=RedundancySettings(nothing=0.05), random=[FIRST] * 19)
    assert result.carries == "nothing-else", "a twentieth is nothing, and no more than random sets affect"
    assert measured(one, settings=RedundancySettings(nothing=0.04), random=[FIRST] * 19).carries == "undecided"
    half = {FIRST[0]: {0, 1, 2}, SECOND[0]: {1, 2, 3}}
    assert measured(half).carries == "others"
    assert measured(half, settings=RedundancySettings(overlap=0.4)).carries == "undecided"


def test_shared_asks_for_half_of_the_component():
    result = measured({}, neurons=[FIRST[0], *SECOND])
    assert [each.shared for each in result.components] == [1, 1]
    others = [other(0, [FIRST[0]]), other(1, SECOND), other(2)]
    first, second = carried_facts(Carriers({}), found((*FIRST, Neuron(2, 5)), SECOND), others, [[], []]).components
    assert (first.shared, second.shared) == (0, 1 / 3)


def test_redundancy_is_the_cosine_of_summed_out_weights_times_the_overlap():
    out = {FIRST[0]: (1.0, 0.0), FIRST[1]: (0.0, 1.0), SECOND[0]: (2.0, 0.0), SECOND[1]: (0.0, 0.0)}
    result = measured({FIRST[0]: {0, 1}, SECOND[0]: {1, 2}}, out=out)
    assert [each.redundancy for each in result.components] == pytest.approx([math.sqrt(0.5) / 3] * 2)
    nothing = dict.fromkeys([*FIRST, *SECOND], (0.0, 0.0))
    assert measured({}, out=nothing).components[0].redundancy == 0


def test_without_other_facts_or_random_sets_nothing_is_decided():
    result = measured({}, count=0)
    assert result.carries == "undecided"
    assert all(math.isnan(each.other_facts) and math.isnan(each.shared) for each in result.components)
    result = measured({FIRST[0]: {0, 1, 2}, SECOND[0]: {4, 5, 6}}, random=[])
    assert result.carries == "undecided"
    assert all(math.isnan(each.p_value) for each in result.components)


def test_sets_are_asked_in_batches_for_all_facts_together():
    model = Carriers({})
    carried_facts(model, found(FIRST, SECOND), [other(0), other(1)], [SILENT, SILENT])
    assert model.calls == [1 + 2 + 2 * 99]


def test_bad_input():
    with pytest.raises(BadSetting, match=r"capital/foo.*1 components"):
        carried_facts(Carriers({}), found(FIRST), [other(0)], [SILENT])
    with pytest.raises(BadSetting, match="one list for each"):
        carried_facts(Carriers({}), found(FIRST, SECOND), [other(0)], [SILENT])
    for change in ({"others": 0}, {"draws": 18}, {"nothing": 2}, {"overlap": math.nan}, {"changed": -1}):
        with pytest.raises(BadSetting, match=next(iter(change))):
            RedundancySettings(**change)


def test_a_probability_that_is_not_a_number_names_the_fact():
    model = Carriers({})
    model.probabilities_with = lambda queries, sets: np.full((len(queries), len(sets)), math.nan)
    with pytest.raises(BadNumber, match="other/0"):
        carried_facts(model, found(FIRST, SECOND), [other(0)], [SILENT, SILENT])
