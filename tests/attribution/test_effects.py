"""The test of a fact's neurons: the same numbers as changing them one set at a time, and fair unrelated facts."""

from __future__ import annotations

import numpy as np
import pytest

from factneurons.attribution.controls import matched_random, strengths
from factneurons.attribution.effects import Asked, Others, intervene
from factneurons.attribution.settings import InterventionSettings
from factneurons.errors import BadNumber, NotAskable
from factneurons.facts.types import Fact, Prompt
from factneurons.models.types import Neuron


def make_fact(number, relation="capital", language="en"):
    prompts = (Prompt(f"{relation} {number} is ___."),)
    return Fact(f"{relation}/{number}", relation, f"subject {number}", f"answer {number}", language, prompts)


def nobody(fact):
    return None


NEURONS = [Neuron(0, 3), Neuron(1, 7), Neuron(1, 8)]


def test_equals_a_plain_loop(one_of_each, shared_model, new_query):
    model = shared_model(one_of_each)
    fact, other = make_fact(1), make_fact(2, "author")
    queries = (new_query(model.kind, seed=1), new_query(model.kind, tokens=8, answer=2, seed=2))
    asked_of_other = new_query(model.kind, tokens=5, seed=3)
    others = Others([fact, other], lambda _: asked_of_other)
    settings = InterventionSettings(draws=2, unrelated=1, seed=5)
    found = intervene(model, Asked(fact, queries), NEURONS, "knowledge", others, settings)

    drawn = matched_random(strengths(model, queries), NEURONS, draws=2, seed=5, name=fact.key)
    expected = {}
    for whom, prompts in ((None, queries), (other, (asked_of_other,))):
        for draw, neurons in enumerate([NEURONS, *drawn]):
            for action, change in (("suppress", model.suppress), ("enhance", model.enhance)):
                with change(neurons):
                    expected[whom and whom.id, draw, action] = np.mean(model.probabilities(prompts))
    assert len(found) == len(expected) == 12
    for row in found:
        other_id = row.other and row.other.id
        assert row.after == pytest.approx(expected[other_id, row.draw, row.action], rel=1e-6)  # gptj attends in float32
        assert row.before == pytest.approx(np.mean(model.probabilities((asked_of_other,) if row.other else queries)))
        assert row.prompts == (1 if row.other else 2)
        assert row.neurons == ("random for knowledge" if row.draw else "knowledge")
        assert (row.fact, row.size) == (fact, 3)


def test_the_same_whatever_was_tested_before(shared_model, new_query):
    model = shared_model("gpt2")
    facts = [make_fact(number, relation) for number in range(3) for relation in ("capital", "author", "sport")]
    asked = {fact: Asked(fact, (new_query("causal", seed=number),)) for number, fact in enumerate(facts)}
    settings = InterventionSettings(draws=2, unrelated=2)

    def test(order):
        others = Others(order, lambda fact: asked[fact].queries[0])
        return {fact: intervene(model, asked[fact], NEURONS, "knowledge", others, settings) for fact in order}

    assert test(facts) == test(facts[::-1])


def test_unrelated_facts_are_of_other_relations_and_the_same_language():
    facts = [
        make_fact(number, relation, language)
        for number in range(4)
        for relation in ("capital", "capital_reverse", "author", "sport_reverse")
        for language in ("en", "zh")
    ]
    others = Others(facts, lambda fact: fact)  # what the query is does not matter here
    for fact in facts:
        drawn = others.unrelated(fact, 50, seed=1)
        bases = {asked.fact.relation.removesuffix("_reverse") for asked in drawn}
        assert bases == {"capital", "author", "sport"} - {fact.relation.removesuffix("_reverse")}
        assert {asked.fact.language for asked in drawn} == {fact.language}
        assert len({asked.fact.key for asked in drawn}) == len(drawn)


def test_unrelated_facts_are_drawn_by_seed_and_fact():
    facts = [make_fact(number, relation) for number in range(40) for relation in ("capital", "author", "sport")]

    def draw(fact, order=facts, count=5, seed=1):
        return [asked.fact for asked in Others(order, lambda fact: fact, most=8).unrelated(fact, count, seed)]

    assert draw(facts[0]) == draw(facts[0], order=facts[::-1])
    assert draw(facts[0], count=3) == draw(facts[0])[:3]
    assert draw(facts[0], seed=2) != draw(facts[0])
    assert draw(facts[3]) != draw(facts[0])
    assert draw(facts[0], count=0) == []
    assert len(draw(facts[0], count=99)) == 16  # at most 8 of each of the two other relations are kept


def test_only_drawn_facts_are_asked_and_each_once():
    facts = [make_fact(number, "author") for number in range(30)]
    asked = []

    def ask(fact):
        asked.append(fact)
        return None if fact.id in ("author/3", "author/4") else fact

    others = Others(facts, ask)
    everything = [entry.fact.id for entry in others.unrelated(make_fact(0), 30, seed=1)]
    assert len(everything) == 28
    assert not {"author/3", "author/4"} & set(everything)
    others.unrelated(make_fact(1), 5, seed=1)
    assert len(asked) == 30
    asked.clear()
    Others(facts, ask).unrelated(make_fact(0), 2, seed=1)
    assert len(asked) <= 4


def test_no_unrelated_facts(shared_model, new_query):
    model = shared_model("gpt2")
    fact = make_fact(1)
    rows = intervene(
        model,
        Asked(fact, (new_query("causal"),)),
        NEURONS,
        "degenerate",
        Others([fact], nobody),
        InterventionSettings(),
    )
    assert {row.other for row in rows} == {None}
    assert {row.neurons for row in rows} == {"degenerate", "random for degenerate"}
    assert len(rows) == 2 * 21


def test_nan_names_the_fact(new_model, new_query):
    model = new_model("gpt2")
    model.backbone.module.transformer.h[1].mlp.c_proj.bias[0] = float("nan")
    fact = make_fact(1)
    with pytest.raises(BadNumber, match="capital/1"):
        intervene(
            model, Asked(fact, (new_query("causal"),)), NEURONS, "knowledge", Others([], nobody), InterventionSettings()
        )


def test_too_few_neurons_to_compare_with(shared_model, new_query):
    model = shared_model("gpt2")
    most = [Neuron(0, index) for index in range(model.width - 1)]
    with pytest.raises(NotAskable, match="too few others"):
        intervene(
            model,
            Asked(make_fact(1), (new_query("causal"),)),
            most,
            "knowledge",
            Others([], nobody),
            InterventionSettings(),
        )
