"""E7 against writing one text at a time with one set of neurons doubled."""

from __future__ import annotations

import numpy as np
import pytest

import factneurons as fn
from factneurons.errors import NotAskable
from factneurons.experiments.experiment import RANDOM_FOR
from factneurons.experiments.perturbed_questions import PerturbedQuestions, conditions_of
from factneurons.experiments.settings import ExperimentSettings
from factneurons.experiments.study import Study
from factneurons.experiments.suite.enhancement import EXPERIMENT
from factneurons.facts.settings import PerturbationSettings
from factneurons.facts.words import accepted_names, is_one_of, names_one_of

EDITS = ("add", "delete")


def study_of(model, facts):
    perturbation = PerturbationSettings(versions=2, edits=EDITS)
    return Study(model, facts, ExperimentSettings(methods=("dai",), draws=2, perturbation=perturbation))


@pytest.fixture(scope="module")
def study(model):
    return study_of(model, list(fn.load_facts("bundled?relation=capital&lang=en&limit=2")))


@pytest.fixture(scope="module")
def lost(study):
    """The versions that are answered wrong, of questions that are answered right; each asked alone."""
    names = accepted_names(study.facts[0])

    def right(query):
        return names_one_of(fn.generate(study.model, [query.prompt])[0], names)

    return [
        each for each in PerturbedQuestions(study).of(study.facts[0]) if right(each.clean) and not right(each.perturbed)
    ]


@pytest.fixture(scope="module")
def measured(study, measured_by):
    return measured_by(EXPERIMENT, study, study.facts[0])


def test_shares_are_those_of_texts_written_one_at_a_time(study, measured, lost):
    fact, model = study.facts[0], study.model
    names, neurons = accepted_names(fact), conditions_of(study, fact)["knowledge"][0]
    assert lost
    for change, how in (("values", model.enhance), ("weights", lambda own: model.scale_weights(own, 2.0))):
        for edit in {each.edit for each in lost}:
            with how(neurons):
                texts = [fn.generate(model, [each.perturbed.prompt])[0] for each in lost if each.edit == edit]
            answered, exactly = (np.mean([right(text, names) for text in texts]) for right in (names_one_of, is_one_of))
            assert measured["knowledge", f"answered, {change}", edit] == answered
            assert measured["knowledge", f"answered exactly, {change}", edit] == exactly
        with how(neurons):
            texts = [fn.generate(model, [query.prompt])[0] for query in {each.clean for each in lost}]
        assert measured["knowledge", f"still answered, {change}", ""] == np.mean(
            [names_one_of(text, names) for text in texts]
        )


def test_without_neurons_every_question_is_as_it_was(measured, lost):
    for change in ("values", "weights"):
        for edit in {each.edit for each in lost}:
            assert measured["none", f"answered, {change}", edit] == 0
        assert measured["none", f"still answered, {change}", ""] == 1


def test_what_is_lost_is_counted_by_kind(study, measured, lost):
    for edit in EDITS:
        total = measured["none", "versions", edit]
        assert measured["none", "lost", edit] * total == sum(each.edit == edit for each in lost)
    assert {condition for condition, *_ in measured} >= {"none", "knowledge", f"{RANDOM_FOR}knowledge"}


def test_a_fact_that_is_answered_wrong_is_left_out(model):
    (fact,) = fn.load_facts("bundled?relation=capital&lang=en&limit=1")
    wrong = fn.Fact("w", "capital", fact.subject, "Berlin", "en", fact.prompts)
    with pytest.raises(NotAskable, match="answered right in none") as caught:
        list(EXPERIMENT.prepare(study_of(model, [wrong]))(wrong))
    assert caught.value.reason == "wrong-before"


def test_a_masked_model_answers_in_its_blank(measured_by):
    facts = list(fn.load_facts("bundled?relation=continent&lang=en&limit=3"))
    study = study_of(fn.load_model("pocket-bert", device="cpu"), facts)
    found = measured_by(EXPERIMENT, study, facts[0])
    queries = list(dict.fromkeys(each.perturbed for each in PerturbedQuestions(study).of(facts[0])))
    right = [names_one_of(each.prediction, accepted_names(facts[0])) for each in study.model.evaluate(queries)]
    versions = sum(found["none", "versions", edit] for edit in EDITS)
    wrong = sum(found["none", "lost", edit] * found["none", "versions", edit] for edit in EDITS)
    assert versions == len(queries)
    assert wrong == len(queries) - sum(right)
