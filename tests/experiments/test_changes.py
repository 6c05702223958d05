"""Changes of P(answer), by hand."""

from __future__ import annotations

from math import log

import numpy as np
import pytest

import factneurons as fn
from factneurons.attribution.types import Measurement
from factneurons.experiments.changes import MEASURES, UNRELATED, asked_around, changes
from factneurons.experiments.experiment import RANDOM_FOR
from factneurons.experiments.settings import ExperimentSettings
from factneurons.experiments.study import Study
from factneurons.facts.types import Fact, Prompt


def fact_of(name, relation, subject, answer, text):
    return Fact(name, relation, subject, answer, "en", (Prompt(text),))


FACT = fact_of("one", "capital", "France", "Paris", "The capital of France is ___.")
OTHER = fact_of("other", "animal_class", "dog", "mammal", "The dog is a ___.")


def measured(before, after, other=None, action="suppress", neurons="dai", draw=0):
    return Measurement.of(
        FACT, (np.array(before), np.array(after)), neurons=neurons, size=1, action=action, other=other, draw=draw
    )


def values_of(found):
    rows = list(changes("dai", found))
    values = {(row.condition, row.measure): row.value for row in rows}
    assert len(values) == len(rows)
    assert {row.measure for row in rows} <= set(MEASURES)
    return values


def test_p_is_averaged_over_prompts_first_and_log_p_last():
    values = values_of([measured([0.8, 0.2], [0.4, 0.2]), measured([0.5], [0.4], OTHER), measured([0.1], [0.1], OTHER)])
    assert values == {
        ("dai", "related, suppress"): pytest.approx(0.3 / 0.5 - 1),
        ("dai", "related log P, suppress"): pytest.approx((log(0.5) + 0) / 2),
        ("dai", "unrelated, suppress"): pytest.approx((-0.2 + 0) / 2),
        ("dai", "unrelated log P, suppress"): pytest.approx(log(0.8) / 2),
        ("dai", "right sign, suppress"): 1,
    }


def test_next_to_0_only_the_logarithm_is_told():
    """From 10^-9 to 10^-4 is +9,999,900 %."""
    values = values_of([measured([1e-9], [1e-4]), measured([0.5], [0.4], OTHER), measured([9e-4], [0.1], OTHER)])
    assert values == {
        ("dai", "left out, suppress"): 2,
        ("dai", "related log P, suppress"): pytest.approx(log(1e5)),
        ("dai", "unrelated, suppress"): pytest.approx(-0.2),
        ("dai", "unrelated log P, suppress"): pytest.approx((log(0.8) + log(0.1 / 9e-4)) / 2),
    }


def test_of_a_probability_of_0_there_is_no_logarithm():
    assert values_of([measured([0.5, 0.5], [0.0, 0.5])]) == {
        ("dai", "related, suppress"): -0.5,
        ("dai", "right sign, suppress"): 1,
    }
    assert values_of([measured([0.0], [0.5])]) == {("dai", "left out, suppress"): 1}


def test_random_draws_are_averaged_last():
    name = f"{RANDOM_FOR}dai"
    found = [measured([0.5], [after], neurons=name, draw=draw) for draw, after in enumerate((0.25, 0.5), start=1)]
    assert values_of(found)[name, "related, suppress"] == pytest.approx(-0.25)


def test_specificity_is_of_relative_changes():
    found = [
        measured(before, after, other, action)
        for action in ("suppress", "enhance")
        for other, before, after in ((None, [0.5], [0.1]), (OTHER, [0.5], [0.6]))
    ]
    assert values_of(found)["dai", "specificity"] == pytest.approx(0.8 - 0.2)


def test_what_is_asked_of_other_relations_is_known_and_the_rest_is_counted():
    model = fn.load_model("pocket-gpt2", device="cpu")
    known = list(fn.load_facts("bundled?relation=animal_class&lang=en&limit=3"))
    wrong = fact_of("wrong", "currency", "France", "Paris", "The currency of France is ___.")
    blind = fact_of("blind", "currency", "Spain", "Euro", "___ is the currency of Spain.")
    study = Study(model, [FACT, wrong, blind, *known], ExperimentSettings(methods=("dai",), draws=1, unrelated=9))
    assert all(study.knows(fact) for fact in known)
    rows = {(row.condition, row.measure, row.place): row.value for row in asked_around(study, FACT)}
    assert rows.pop((UNRELATED, "asked", "")) == 3
    assert {place: value for (_, _, place), value in rows.items()} == {"blank-not-at-end": 1, "not-known": 1}
    neurons = study.knowledge(known[0], "dai").neurons
    asked = {each.other.id for each in study.intervene(FACT, study.queries(FACT), neurons, "dai") if each.other}
    assert asked == {fact.id for fact in known}
