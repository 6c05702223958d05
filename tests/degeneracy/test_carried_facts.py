"""The sample of other facts, and the whole test on a tiny model against a plain loop."""

from __future__ import annotations

import math

import numpy as np
import pytest

from factneurons.attribution.types import KnowledgeNeurons
from factneurons.degeneracy.carried_facts import OtherFacts, degenerate_or_redundant
from factneurons.degeneracy.redundancy import RedundancySettings
from factneurons.degeneracy.types import Component, DegenerateNeurons
from factneurons.facts.types import Fact, Prompt
from factneurons.models.types import Neuron

COMPONENTS = ((Neuron(0, 3), Neuron(1, 7)), (Neuron(1, 8), Neuron(1, 9)))


def make_fact(number, relation="capital", language="en"):
    prompts = (Prompt(f"{relation} {number} is ___."),)
    return Fact(f"{relation}/{number}", relation, f"subject {number}", f"answer {number}", language, prompts)


def known(fact, queries, neurons=()):
    count = len(neurons)
    return KnowledgeNeurons(
        fact, tuple(neurons), (1.0,) * count, (1.0,) * count, tuple(queries), "dai", 0.2, False, 0.5, 1
    )


def components_of(fact, *components):
    described = tuple(Component(neurons, 0, 1, 0, 0, 1) for neurons in components)
    return DegenerateNeurons(fact, described, described, (), "", 0.9, 1.0, 0.01, 1.0, "components", "degenerate")


def test_the_sample_is_the_same_whatever_the_order_and_never_the_fact_itself(new_query):
    facts = [make_fact(n, relation, lang) for n in range(6) for relation in ("a", "b") for lang in ("en", "zh")]
    facts += [Fact(f"{fact.id}/reverse", "a_reverse", "x", "y", "en", fact.prompts) for fact in facts[:4:2]]
    query = new_query("causal")

    def drawn(order, fact, count, most=500):
        others = OtherFacts(((each, [Neuron(0, 1)]) for each in order), lambda _: query, most)
        return [other.fact.id for other in others.sample(fact, count, seed=1)]

    fact = facts[0]
    assert drawn(facts, fact, 5) == drawn(facts[::-1], fact, 5)
    everything = drawn(facts, fact, 99)
    assert len(everything) == 12 + 2 - 2  # English ones and reverses, without the fact and its own reverse
    assert fact.id not in everything
    assert f"{fact.id}/reverse" not in everything
    assert drawn(facts, fact, 5) == everything[:5]
    assert len(drawn(facts, fact, 99, most=4)) in (3, 4)
    assert drawn(facts, facts[2], 5) != drawn(facts, fact, 5)


def test_facts_that_cannot_be_asked_are_passed_over(new_query):
    facts = [make_fact(number) for number in range(5)]
    others = OtherFacts(((each, []) for each in facts), lambda each: None if each is facts[1] else new_query("causal"))
    assert {other.fact.id for other in others.sample(facts[0], 9, 0)} == {"capital/2", "capital/3", "capital/4"}


def test_equals_a_plain_loop(one_of_each, shared_model, new_query):
    model = shared_model(one_of_each)
    fact = make_fact(0)
    own = known(fact, [new_query(model.kind, seed=9)])
    pool = [known(make_fact(n), [new_query(model.kind, seed=n)], COMPONENTS[0][:1]) for n in range(1, 4)]
    before = np.log(model.probabilities([each.queries[0] for each in pool]))
    changes = []
    for neurons in COMPONENTS:
        with model.suppress(neurons):
            changes.append(np.abs(np.log(model.probabilities([each.queries[0] for each in pool])) - before))
    changed = float(np.median(changes))  # so that about half of the pairs count as affected
    settings = RedundancySettings(others=3, draws=19, changed=changed * (1 + 1e-6))
    found = degenerate_or_redundant(model, own, components_of(fact, *COMPONENTS), pool, settings)
    for carried, change in zip(found.components, changes, strict=True):
        expected = {each.fact.id for each, one in zip(pool, change, strict=True) if one > settings.changed}
        assert {each.id for each in carried.affected} == expected
        assert carried.other_facts == pytest.approx(len(expected) / 3)
        assert 1 / 20 <= carried.p_value <= 1
    assert [carried.shared for carried in found.components] == [1, 0]
    again = degenerate_or_redundant(model, own, components_of(fact, *COMPONENTS), pool[::-1], settings)
    assert again == found


def test_a_component_that_leaves_too_few_neurons_to_compare_with_is_undecided(shared_model, new_query):
    model = shared_model("gpt2")
    fact = make_fact(0)
    wide = tuple(Neuron(0, index) for index in range(model.width - 2))
    pool = [known(make_fact(1), [new_query(model.kind, seed=1)])]
    found = degenerate_or_redundant(
        model, known(fact, [new_query(model.kind)]), components_of(fact, wide, COMPONENTS[1]), pool
    )
    assert found.carries == "undecided"
    assert math.isnan(found.components[0].p_value)
    assert not math.isnan(found.components[1].p_value)
