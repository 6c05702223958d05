"""Location in rounds: backups are found when what they stand in for is suppressed."""

from __future__ import annotations

import numpy as np
import pytest

from factneurons.attribution.locate import locate
from factneurons.attribution.methods import attribute_all
from factneurons.attribution.rounds import scores_in_rounds, search_in_rounds
from factneurons.attribution.selection import choose
from factneurons.attribution.settings import AttributionSettings, SelectionSettings
from factneurons.facts.source import load_facts
from factneurons.models.load import load_model

SETTINGS = AttributionSettings("dai")


@pytest.fixture(scope="module")
def model():
    return load_model("pocket-gpt2")


@pytest.fixture(scope="module")
def facts():
    return list(load_facts("bundled?relation=capital&lang=en&limit=3&reverse=no"))


@pytest.fixture(scope="module")
def queries(model, facts):
    asked = [prompt for prompt in facts[0].prompts if prompt.blank_position == "end"]
    return [model.query(prompt, facts[0].answer) for prompt in asked]


def rounds_of(model, queries, count, threshold=0.5):
    return list(search_in_rounds(model, queries, SETTINGS, threshold, SelectionSettings(rounds=count)))


def test_one_round_is_the_plain_search(model, queries):
    (only,) = rounds_of(model, queries, 1)
    plain = choose(attribute_all(model, queries, SETTINGS), SelectionSettings(), 0.5)
    assert (only.chosen.neurons, only.chosen.shares) == (plain.neurons, plain.shares)
    np.testing.assert_allclose(only.chosen.scores, plain.scores, rtol=1e-4)
    assert only.suppressed == frozenset()


def test_rounds_are_disjoint_and_each_looks_with_the_earlier_ones_suppressed(model, queries):
    found = rounds_of(model, queries, 3)
    assert len(found) > 1
    seen = set()
    for each in found:
        assert each.suppressed == seen
        assert not seen & set(each.chosen.neurons)
        with model.suppress(seen):
            again = attribute_all(model, queries, SETTINGS)
        np.testing.assert_allclose(each.attributions[0].scores, again[0].scores, rtol=1e-3, atol=1e-6)
        seen |= set(each.chosen.neurons)


def test_the_search_ends_when_the_answer_is_lost(model, queries):
    found = rounds_of(model, queries, 50, threshold=0.05)
    assert len(found) < 50
    everything = {neuron for each in found for neuron in each.chosen.neurons}
    with model.suppress(everything):
        left = model.probabilities(queries).mean()
    assert left <= 0.1 * model.probabilities(queries).mean() or not found[-1].chosen.neurons


def test_first_attributions_are_used_as_they_are(model, queries):
    first = attribute_all(model, queries, SETTINGS)
    search = search_in_rounds(model, queries, SETTINGS, 0.5, SelectionSettings(rounds=2), first=first)
    assert next(search).attributions is first


def test_scores_are_shares_of_their_round(model, queries):
    found = rounds_of(model, queries, 2)
    scores = scores_in_rounds(found)
    assert scores.shape == (len(queries), model.layer_count, model.width)
    assert scores.max() == pytest.approx(1.0)
    best = found[1].chosen.neurons[0]
    later = found[1].attributions[0].scores
    assert scores[0, best.layer, best.index] >= later[best.layer, best.index] / later.max() - 1e-6


def test_locate_says_which_round_found_a_neuron(model, facts):
    selection = SelectionSettings(threshold=0.5, rounds=3)
    table = locate(model, facts, SETTINGS, selection)
    once = locate(model, facts, SETTINGS, SelectionSettings(threshold=0.5))
    for known, plain in zip(table, once, strict=True):
        assert known.neurons[: len(plain.neurons)] == plain.neurons
        assert list(known.rounds) == sorted(known.rounds)
        assert known.rounds.count(1) == len(plain.neurons)
        assert plain.round_of_each == (1,) * len(plain.neurons)
    assert set(table.to_frame()["round"]) > {1}
