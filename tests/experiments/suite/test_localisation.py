"""E1 against changing the neurons one fact at a time."""

from __future__ import annotations

import numpy as np
import pytest

import factneurons as fn
from factneurons.experiments.experiment import RANDOM_FOR
from factneurons.experiments.settings import ExperimentSettings
from factneurons.experiments.study import Study
from factneurons.experiments.suite.localisation import EXPERIMENT, MEASURES, matched

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


def test_log_p_is_a_mean_over_prompts(study, measured):
    """Of every prompt by itself, unlike the relative change."""
    fact, model = study.facts[0], study.model
    _, tested = study.halves(fact)
    others, _ = study.unrelated(fact)
    for kind, queries in (("related", tested), ("unrelated", [query for _, query in others])):
        before = model.log_probabilities(queries)
        with model.suppress(study.knowledge(fact, "dai").neurons):
            change = np.mean(model.log_probabilities(queries) - before)
        assert measured["dai", f"{kind} log P, suppress", ""] == pytest.approx(change, abs=1e-4)


def test_methods_are_compared_with_as_many_neurons():
    """The best of each by its own scores, as many as the method that finds fewest has."""
    model = fn.load_model("pocket-gpt2", device="cpu")
    facts = list(fn.load_facts("bundled?relation=capital&lang=en&limit=1"))
    study = Study(model, facts, ExperimentSettings(methods=("dai", "activation"), draws=1, unrelated=0))
    rows = list(EXPERIMENT.prepare(study)(facts[0]))
    found = {(row.condition, row.measure, row.place): row.value for row in rows}
    assert len(found) == len(rows)
    known = {method: study.knowledge(facts[0], method) for method in ("dai", "activation")}
    sizes = {method: len(each.neurons) for method, each in known.items()}
    assert len(set(sizes.values())) == 2
    _, tested = study.halves(facts[0])
    before = np.mean(model.probabilities(tested))
    for method, each in known.items():
        assert found[method, "neurons", ""] == sizes[method]
        assert found[matched(method), "neurons", ""] == min(sizes.values())
        best = [each.neurons[place] for place in np.argsort(-np.array(each.scores), kind="stable")]
        with model.suppress(best[: min(sizes.values())]):
            after = np.mean(model.probabilities(tested))
        assert found[matched(method), "related, suppress", ""] == pytest.approx(after / before - 1, abs=1e-5)
    compared = [claim for claim in EXPERIMENT.claims if claim.against and not claim.against.startswith(RANDOM_FOR)]
    assert [(claim.condition, claim.against) for claim in compared] == [
        (matched("amig"), matched("dai")),
        (matched("amig"), matched("activation")),
    ]


def test_one_method_is_compared_with_none(measured):
    assert matched("dai") not in {condition for condition, _, _ in measured}


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


def test_the_success_rates_are_summed_as_the_paper_does():
    """|mean related / mean unrelated|, of suppressing and of enhancing, added up."""
    (summed,) = (each for each in EXPERIMENT.summaries if each.name == "SR")
    values = np.array([[-0.4, -0.1, 0.2, -0.05], [-0.2, -0.1, 0.4, -0.1]])
    assert summed.statistic(values) == pytest.approx(0.3 / 0.1 + 0.3 / 0.075)
