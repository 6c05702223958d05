"""E1 against changing the neurons one fact at a time."""

from __future__ import annotations

import numpy as np
import pytest

import factneurons as fn
from factneurons.attribution.types import Measurement
from factneurons.experiments.experiment import RANDOM_FOR
from factneurons.experiments.settings import ExperimentSettings
from factneurons.experiments.study import Study
from factneurons.experiments.suite.localisation import EXPERIMENT, MEASURES, changes

FEW = ExperimentSettings(methods=("dai",), draws=2, unrelated=1)


@pytest.fixture(scope="module")
def study():
    model = fn.load_model("pocket-gpt2", device="cpu")
    facts = [
        *fn.load_facts("bundled?relation=capital&lang=en&limit=2"),
        *fn.load_facts("bundled?relation=animal_class&lang=en&limit=2"),
    ]
    return Study(model, facts, FEW)


@pytest.fixture(scope="module")
def measured(study):
    rows = list(EXPERIMENT.prepare(study)(study.facts[0]))
    found = {(row.condition, row.measure, row.place): row.value for row in rows}
    assert len(found) == len(rows)
    return found


def test_changes_are_those_of_the_prompts_that_were_not_used_to_find_the_neurons(study, measured):
    fact, model = study.facts[0], study.model
    neurons = study.knowledge(fact, "dai").neurons
    _, tested = study.halves(fact)
    before = np.mean(model.probabilities(tested))
    for action, change in (("suppress", model.suppress), ("enhance", model.enhance)):
        with change(neurons):
            after = np.mean(model.probabilities(tested))
        relative = (after - before) / before
        assert measured["dai", f"related, {action}", ""] == pytest.approx(relative, abs=1e-5)
        right = relative < 0 if action == "suppress" else relative > 0
        assert measured["dai", f"right sign, {action}", ""] == float(right)


def test_specificity_is_the_difference_of_the_sizes_of_both_changes(measured):
    for condition in ("dai", f"{RANDOM_FOR}dai"):
        expected = np.mean(
            [
                abs(measured[condition, f"related, {action}", ""])
                - abs(measured[condition, f"unrelated, {action}", ""])
                for action in ("suppress", "enhance")
            ]
        )
        assert measured[condition, "specificity", ""] == pytest.approx(expected)


def test_sizes_and_layers(study, measured):
    neurons = study.knowledge(study.facts[0], "dai").neurons
    assert measured["dai", "neurons", ""] == len(neurons)
    shares = [measured["dai", "share of layer", str(layer)] for layer in range(study.model.layer_count)]
    assert sum(shares) == pytest.approx(1)
    assert shares[0] == sum(neuron.layer == 0 for neuron in neurons) / len(neurons)


def test_every_measure_is_explained_and_every_claim_and_chart_is_about_one(measured):
    assert {measure for _, measure, _ in measured} <= set(MEASURES)
    assert {claim.measure for claim in EXPERIMENT.claims} <= set(MEASURES)
    assert {measure for chart in EXPERIMENT.charts for measure in chart.measures} <= set(MEASURES)
    for summary in EXPERIMENT.summaries:
        assert set(summary.measures) <= set(MEASURES)


def test_measurements_without_a_relative_change_are_counted(study):
    fact = study.facts[0]
    given = {"fact": fact, "neurons": "dai", "draw": 0, "action": "suppress", "size": 1, "prompts": 1}
    found = [
        Measurement(other=None, before=0.5, after=0.25, **given),
        Measurement(other=study.facts[2], before=0.0, after=0.1, **given),
    ]
    values = {each.measure: each.value for each in changes("dai", found)}
    assert values == {"left out, suppress": 1, "related, suppress": -0.5, "right sign, suppress": 1}
