"""Location in rounds: backups are found when what they stand in for is suppressed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as options
from hypothesis import strategies as st

from factneurons.attribution.attribute import attribute_all
from factneurons.attribution.drops import Drops
from factneurons.attribution.locate import locate
from factneurons.attribution.rounds import Round, _completed, _missed, scores_in_rounds, search_in_rounds
from factneurons.attribution.selection import Chosen, choose
from factneurons.attribution.settings import AttributionSettings, SelectionSettings
from factneurons.facts.source import load_facts
from factneurons.models.load import load_model
from factneurons.models.questions import answered, knowing
from factneurons.models.types import Neuron

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
    (found,) = model.answer([search_in_rounds(model, queries, SETTINGS, threshold, SelectionSettings(rounds=count))])
    return found


def test_one_round_is_the_plain_search(model, queries):
    (only,) = rounds_of(model, queries, 1)
    plain = choose(attribute_all(model, queries, SETTINGS), SelectionSettings(), 0.5)
    assert (only.chosen.neurons, only.chosen.shares) == (plain.neurons, plain.shares)
    np.testing.assert_allclose(only.chosen.scores, plain.scores, rtol=1e-4)
    assert only.suppressed == frozenset()


def test_rounds_are_disjoint_and_each_looks_with_what_it_says_suppressed(model, queries):
    found = rounds_of(model, queries, 3)
    assert len(found) > 1
    seen = set()
    for each in found:
        assert each.suppressed == seen or (len(seen) and each.suppressed < seen)
        assert not seen & set(each.chosen.neurons)
        with model.suppress(each.suppressed):
            again = attribute_all(model, queries, SETTINGS)
        np.testing.assert_allclose(each.attributions[0].scores, again[0].scores, rtol=1e-3, atol=1e-6)
        seen |= set(each.chosen.neurons)


def test_rounds_end_when_the_answer_is_lost_and_then_look_at_every_set_that_suffices(model, queries):
    found = rounds_of(model, queries, 50, threshold=0.05)
    first = [each for each in found if not each.completes]
    assert len(first) < 50
    everything = {neuron for each in found for neuron in each.chosen.neurons}
    whole, left = model.probabilities_with(queries, [(), everything]).mean(0)
    assert left <= 0.1 * whole or not first[-1].chosen.neurons
    assert (left <= 0.1 * whole) == any(each.completes for each in found)


def test_a_set_misses_what_costs_a_good_part_of_its_log_odds():
    """Log-odds that are a sum of one weight per neuron: of 10 that a set has, one costs 3, one 1."""
    weights = {Neuron(0, 0): 10.0, Neuron(0, 1): 3.0, Neuron(0, 2): 1.0}
    found, new = frozenset({Neuron(0, 0), Neuron(1, 0)}), (Neuron(0, 1), Neuron(0, 2))

    def probability(suppressed):
        left = 10.0 - sum(weights.get(neuron, 0.0) for neuron in suppressed)
        return 1 / (1 + np.exp(-left))

    drops = Drops(lambda sets: knowing(np.array([[probability(each) for each in sets]])))
    looked = Round([], Chosen(new, (0.9, 0.8), (1.0, 1.0)), frozenset({Neuron(1, 0)}))
    missed = answered(_missed(looked, found, drops))
    assert missed.completes
    assert missed.chosen == Chosen((Neuron(0, 1),), (0.9,), (1.0,))


@given(st.lists(st.integers(0, 3), min_size=2, max_size=12), st.integers(0, 3), st.randoms())
@options(deadline=None)
def test_parts_of_components_are_completed(labels, idle, random):
    """An OR of ANDs of which a part of each was found; attribution also offers neurons that do nothing."""
    neurons = [Neuron(0, place) for place in range(len(labels) + idle)]
    parts = [{neuron for neuron, own in zip(neurons, labels, strict=False) if own == label} for label in {*labels}]
    found = frozenset(neuron for part in parts for neuron in random.sample(sorted(part), random.randint(1, len(part))))

    def probability(suppressed):
        return 0.95 if any(not part & set(suppressed) for part in parts) else 0.001

    def look(suppressed, known):
        new = tuple(neuron for neuron in neurons if neuron not in known and neuron not in suppressed)
        return Round([], Chosen(new, (1.0,) * len(new), (1.0,) * len(new)), suppressed)

    drops = Drops(lambda sets: knowing(np.array([[probability(each) for each in sets]])))
    rounds = answered(_completed(look, drops, found, 4))
    assert found.union(*(each.chosen.neurons for each in rounds)) == set().union(*parts)


def test_first_attributions_are_used_as_they_are(model, queries):
    first = attribute_all(model, queries, SETTINGS)
    search = search_in_rounds(model, queries, SETTINGS, 0.5, SelectionSettings(rounds=2), first=first)
    assert model.answer([search])[0][0].attributions is first


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
