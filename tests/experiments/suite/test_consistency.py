"""E14 against `consistency` and against what the model itself says."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest

import factneurons as fn
from factneurons.errors import NotAskable
from factneurons.experiments.experiment import RANDOM_FOR
from factneurons.experiments.study import Study
from factneurons.experiments.suite.consistency import EXPERIMENT, NEIGHBOUR, OWN, RANDOM, SELECTIONS
from factneurons.experiments.suite.localisation import matched


@pytest.fixture(scope="module")
def numbers(model, facts, few, measured_by):
    study = Study(model, facts, few)
    return study, measured_by(EXPERIMENT, study, facts[0])


def test_agreement_is_that_of_the_prompts(numbers, model, facts):
    study, values = numbers
    located, _ = study.halves(facts[0])
    half = replace(facts[0], prompts=tuple(query.prompt for query in located))
    for method in ("dai", RANDOM):
        (each,) = fn.consistency(model, [half], method=method)
        assert values[method, "CS", ""] == pytest.approx(each.scores.relaxed)
        assert values[method, "inconsistent", ""] == float(not each.consistent)
        assert values[method, "0.3 - CS", ""] == pytest.approx(0.3 - each.scores.relaxed)
    assert values[RANDOM, "CS", ""] < values["dai", "CS", ""]  # dealt out for every prompt, not once for the fact


def test_a_prompt_under_its_own_and_its_neighbours_neurons(numbers, model, facts):
    study, values = numbers
    located, _ = study.halves(facts[0])
    half = replace(facts[0], prompts=tuple(query.prompt for query in located))
    (each,) = fn.consistency(model, [half], method="dai")
    changes = defaultdict(list)
    for number, query in enumerate(located):
        before = model.probabilities([query])[0]
        for condition, shift in ((OWN, 0), (NEIGHBOUR, 1)):
            neurons = sorted(each.neurons[(number + shift) % len(located)])
            changes[condition].append(model.probabilities_with([query], [neurons])[0][0] / before - 1)
    for condition, own in changes.items():
        assert values[condition, "related, suppress", ""] == pytest.approx(np.mean(own), abs=1e-4)


def test_every_way_to_select_is_tried(numbers):
    _, values = numbers
    sizes = {name: values[name, "neurons", ""] for name in SELECTIONS.values()}
    assert sizes["refined"] <= sizes["union"]
    for name in [*sizes, OWN, NEIGHBOUR]:
        if sizes.get(name, 1):
            assert (f"{RANDOM_FOR}{name}", "related, suppress", "") in values


def test_sets_are_compared_with_as_many_best_neurons(numbers, model, facts):
    study, values = numbers
    located, _ = study.halves(facts[0])
    scored = [fn.attribute(model, query.prompt, query.answer, method="dai").scores for query in located]
    best = []
    for scores in scored:
        layers, indices = np.nonzero((scores > 0) & (scores >= 0.2 * scores.max()))
        found = sorted(zip(layers.tolist(), indices.tolist(), strict=True), key=lambda neuron: -scores[neuron])
        best.append(found)
    changes = defaultdict(list)
    for number, query in enumerate(located):
        own, neighbour = best[number], best[(number + 1) % len(best)]
        size = min(len(own), len(neighbour))
        before = model.probabilities([query])[0]
        for condition, neurons in ((OWN, own), (NEIGHBOUR, neighbour)):
            after = model.probabilities_with([query], [sorted(neurons[:size])])[0][0]
            changes[condition].append((size, after / before - 1))
    for condition, own in changes.items():
        sizes, relative = np.mean(own, axis=0)
        assert values[matched(condition), "neurons", ""] == sizes
        assert values[matched(condition), "related, suppress", ""] == pytest.approx(relative, abs=1e-3)
    smallest = min(size for name in SELECTIONS.values() if (size := values[name, "neurons", ""]))
    for name in SELECTIONS.values():
        if values[name, "neurons", ""]:
            assert values[matched(name), "neurons", ""] == smallest
    of_claims = {claim.condition for claim in EXPERIMENT.claims if "as many" in claim.text}
    assert of_claims == {matched(OWN), matched(SELECTIONS["consistency"])}


def test_two_prompts_are_too_few(model, facts, few):
    pair = replace(facts[0], prompts=facts[0].prompts[:2])
    with pytest.raises(NotAskable, match="at least three prompts") as error:
        list(EXPERIMENT.prepare(Study(model, [pair], few))(pair))
    assert error.value.reason == "too-few-prompts"
