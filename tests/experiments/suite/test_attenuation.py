"""E6 against asking one question at a time with one set of neurons suppressed."""

from __future__ import annotations

import numpy as np
import pytest

import factneurons as fn
from factneurons.experiments.experiment import RANDOM_FOR
from factneurons.experiments.perturbed_questions import PerturbedQuestions, conditions_of
from factneurons.experiments.settings import ExperimentSettings
from factneurons.experiments.study import Study
from factneurons.experiments.suite.attenuation import EXPERIMENT, MEASURES
from factneurons.facts.settings import PerturbationSettings


class Grouped(Study):
    """A study in which the best three knowledge neurons of the first fact are its components, and others have none."""

    def degenerate(self, fact):
        return tuple(sorted(self.knowledge(fact, "dai").neurons[:3])) if fact == self.facts[0] else ()


@pytest.fixture(scope="module")
def study(model):
    settings = ExperimentSettings(methods=("dai",), draws=2, perturbation=PerturbationSettings(versions=2))
    return Grouped(model, list(fn.load_facts("bundled?relation=capital&lang=en&limit=2")), settings)


@pytest.fixture(scope="module")
def measured(study, measured_by):
    return measured_by(EXPERIMENT, study, study.facts[0])


def one_by_one(study, edit, neurons, change):
    """Loss, log loss and P of the questions, each asked alone."""
    versions = [each for each in PerturbedQuestions(study).of(study.facts[0]) if each.edit == edit]
    cleans = list(dict.fromkeys(each.clean for each in versions))

    def probability(query):
        with change(neurons):
            return study.model.probabilities([query])[0]

    clean = np.array([probability(query) for query in cleans])
    own = [[probability(each.perturbed) for each in versions if each.clean == query] for query in cleans]
    perturbed = np.mean([np.mean(each) for each in own])
    logs = np.mean([np.log(c) - np.mean(np.log(each)) for c, each in zip(clean, own, strict=True)])
    return (clean.mean() - perturbed) / clean.mean(), logs, clean.mean()


@pytest.mark.parametrize("edit", ["replace", "delete"])
@pytest.mark.parametrize("condition", ["none", "degenerate", "knowledge"])
def test_losses_are_those_of_changes_made_one_at_a_time(study, measured, edit, condition):
    neurons = conditions_of(study, study.facts[0])[condition][0]
    model = study.model
    for change, how in (("values", model.suppress), ("weights", lambda own: model.scale_weights(own, 0.0))):
        expected = one_by_one(study, edit, neurons, how)
        found = [measured[condition, f"{name}, {change}", edit] for name in ("loss", "log loss", "P")]
        assert found == pytest.approx(expected, abs=2e-5)


def test_random_neurons_are_the_mean_over_draws(study, measured):
    sets = conditions_of(study, study.facts[0])[f"{RANDOM_FOR}degenerate"]
    assert [len(own) for own in sets] == [3, 3]
    expected = np.mean([one_by_one(study, "add", own, study.model.suppress) for own in sets], axis=0)
    assert measured[f"{RANDOM_FOR}degenerate", "loss, values", "add"] == pytest.approx(expected[0], abs=2e-5)


def test_without_neurons_values_and_weights_are_the_same_question(measured):
    for edit in ("replace", "add", "delete"):
        assert measured["none", "loss, values", edit] == pytest.approx(
            measured["none", "loss, weights", edit], abs=2e-5
        )


def test_a_fact_without_components_is_told(study, measured_by):
    found = measured_by(EXPERIMENT, study, study.facts[1])
    assert found["degenerate", "neurons", ""] == 0
    assert not any(condition == "degenerate" for condition, measure, _ in found if measure != "neurons")
    assert {measure for _, measure, _ in found} <= set(MEASURES)


def test_a_model_whose_answer_is_impossible_is_counted(study, measured_by, monkeypatch):
    monkeypatch.setattr(
        type(study.model),
        "probabilities_with",
        lambda self, queries, sets, *_, **__: np.zeros((len(queries), len(sets))),
    )
    found = measured_by(EXPERIMENT, study, study.facts[0])
    assert found["none", "left out, values", "add"] == 1
    assert found[f"{RANDOM_FOR}knowledge", "left out, weights", "add"] == 2
    assert not any(measure.startswith("loss") for _, measure, _ in found)


def test_below_the_floor_there_is_no_relative_loss_but_one_in_nats(study, measured_by, monkeypatch):
    def tiny(self, queries, sets, *_, **__):
        table = np.full((len(queries), len(sets)), 2e-4)
        table[:, 0] = 0.5  # nothing suppressed
        return table * (1.0 - 0.5 * np.arange(len(queries))[:, None] / len(queries))

    monkeypatch.setattr(type(study.model), "probabilities_with", tiny)
    found = measured_by(EXPERIMENT, study, study.facts[0])
    assert ("none", "loss, values", "add") in found
    assert ("none", "left out, values", "add") not in found
    for condition, draws in (("knowledge", 1), (f"{RANDOM_FOR}knowledge", 2)):
        assert (condition, "loss, values", "add") not in found
        assert found[condition, "left out, values", "add"] == draws
        assert found[condition, "log loss, values", "add"] == pytest.approx(found["none", "log loss, values", "add"])
        assert found[condition, "P, values", "add"] < 0.001
