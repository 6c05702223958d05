"""Losses of P(answer): every set asked once, means over prompts, and numbers that are none."""

from __future__ import annotations

import numpy as np
import pytest

from factneurons.attribution.drops import (
    SETS_PER_CALL,
    Drops,
    log_odds_lost,
    suppressed_by,
    suppressed_table,
    union,
    without_others,
)
from factneurons.errors import BadNumber
from factneurons.facts.types import Fact, Prompt
from factneurons.models.types import Neuron, Query

PROMPTS = tuple(Prompt(f"Prompt {number} about Fooland: ___") for number in range(2))
FACT = Fact("capital/foo", "capital", "Fooland", "Bar", "en", PROMPTS)
QUERIES = tuple(Query(prompt, "Bar", (1, 2), (1,), (3,), (0, 1), ((0,), (1,))) for prompt in PROMPTS)
ONE, TWO = (frozenset({Neuron(0, place), Neuron(1, place)}) for place in range(2))


def test_every_set_is_asked_once_and_in_bounded_calls():
    asked = []

    def suppressed(neuron_sets):
        asked.append([frozenset(neurons) for neurons in neuron_sets])
        return np.array([[1 / (1 + sum(n.index for n in neurons)) for neurons in neuron_sets]])

    sets = [frozenset({Neuron(0, place)}) for place in range(SETS_PER_CALL + 10)]
    drops = Drops(suppressed, sets[:3])
    assert asked == [[frozenset(), *sets[:3]]]
    lost = drops([*sets, *sets])
    np.testing.assert_allclose(lost[:1000], np.tile([n / (1 + n) for n in range(len(sets))], 2)[:1000])
    assert [len(call) for call in asked] == [4, SETS_PER_CALL, 7]
    assert len({s for call in asked for s in call}) == sum(map(len, asked))


def test_losses_are_shares_of_what_there_was():
    drops = Drops(lambda sets: np.array([[0.8 / (1 + len(neurons)) for neurons in sets]]))
    assert drops.probability == 0.8
    assert drops.of(ONE) == pytest.approx(2 / 3)
    np.testing.assert_allclose(without_others([ONE, TWO], drops), [2 / 3, 2 / 3])


def test_log_odds_are_in_nats_and_finite_where_everything_is_lost():
    left = {frozenset(): 0.9, ONE: 0.5, TWO: 0.0}
    lost = log_odds_lost(Drops(lambda sets: np.array([[left[frozenset(neurons)] for neurons in sets]])), [ONE, TWO])
    assert lost[0] == pytest.approx(np.log(9))
    assert np.isfinite(lost[1])
    assert lost[1] > lost[0]


class Model:
    """P(answer) by the text of the prompt, whatever is suppressed; it counts what it is asked."""

    def __init__(self, probability):
        self.probability, self.calls = probability, []

    def probabilities_with(self, queries, neuron_sets):
        self.calls.append(len(neuron_sets))
        return np.array([[self.probability(query.prompt.text)] * len(neuron_sets) for query in queries])


def test_suppression_against_single_passes(shared_model, new_query):
    model = shared_model("gpt2")
    queries = [new_query(model.kind, seed=seed) for seed in range(2)]
    with model.suppress(ONE):
        expected = model.probabilities(queries)
    table = suppressed_table(model, [(FACT, query) for query in queries], [(), ONE])
    np.testing.assert_allclose(table, np.stack([model.probabilities(queries), expected], axis=1), rtol=1e-6)
    np.testing.assert_allclose(suppressed_by(model, FACT, queries)([(), ONE]), table, rtol=1e-6)


def test_sets_are_asked_in_bounded_calls():
    model = Model(lambda text: 0.5)
    suppressed_table(model, [(FACT, QUERIES[0])], [ONE] * (SETS_PER_CALL + 1))
    assert model.calls == [SETS_PER_CALL, 1]


def test_a_probability_that_is_not_a_number_names_fact_and_prompt():
    model = Model(lambda text: float("nan") if "1" in text else 0.5)
    with pytest.raises(BadNumber, match=r"capital/foo.*Prompt 1.*float32"):
        Drops(suppressed_by(model, FACT, QUERIES)).of(ONE)


def test_union():
    assert union([ONE, TWO]) == ONE | TWO
    assert union([]) == frozenset()
