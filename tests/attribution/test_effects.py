"""The test of a fact's neurons: the same numbers as changing them one set at a time, and fair unrelated facts."""

from __future__ import annotations

import numpy as np
import pytest

from factneurons.attribution.controls import matched_random, strengths
from factneurons.attribution.effects import Asked, intervene
from factneurons.attribution.settings import InterventionSettings
from factneurons.errors import BadNumber, NotAskable
from factneurons.facts.related import FactPool
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
    pool = FactPool([fact, other], lambda _: asked_of_other)
    settings = InterventionSettings(draws=2, unrelated=1, seed=5)
    found = intervene(model, Asked(fact, queries), NEURONS, "knowledge", pool, settings)

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
        pool = FactPool(order, lambda fact: asked[fact].queries[0])
        return {fact: intervene(model, asked[fact], NEURONS, "knowledge", pool, settings) for fact in order}

    assert test(facts) == test(facts[::-1])


def test_no_unrelated_facts(shared_model, new_query):
    model = shared_model("gpt2")
    fact = make_fact(1)
    rows = intervene(
        model,
        Asked(fact, (new_query("causal"),)),
        NEURONS,
        "degenerate",
        FactPool([fact], nobody),
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
            model,
            Asked(fact, (new_query("causal"),)),
            NEURONS,
            "knowledge",
            FactPool([], nobody),
            InterventionSettings(),
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
            FactPool([], nobody),
            InterventionSettings(),
        )
