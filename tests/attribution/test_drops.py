"""Losses of P(answer): every set asked once, means over prompts, and numbers that are none."""

from __future__ import annotations

import numpy as np
import pytest

from factneurons.attribution.drops import Drops, all_but_each, log_odds_lost, suppressed_by, suppressed_table, union
from factneurons.errors import BadNumber
from factneurons.facts.types import Fact, Prompt
from factneurons.models.questions import answered, knowing
from factneurons.models.types import Neuron, Query

PROMPTS = tuple(Prompt(f"Prompt {number} about Fooland: ___") for number in range(2))
FACT = Fact("capital/foo", "capital", "Fooland", "Bar", "en", PROMPTS)
QUERIES = tuple(Query(prompt, "Bar", (1, 2), (1,), (3,), (0, 1), ((0,), (1,))) for prompt in PROMPTS)
ONE, TWO = (frozenset({Neuron(0, place), Neuron(1, place)}) for place in range(2))


def told(probability):
    """Losses where P(answer) is a function of the suppressed set."""
    return Drops(lambda sets: knowing(np.array([[probability(frozenset(each)) for each in sets]])))


def test_every_set_is_asked_once():
    asked = []

    def suppressed(neuron_sets):
        asked.append([frozenset(neurons) for neurons in neuron_sets])
        return knowing(np.array([[1 / (1 + sum(n.index for n in neurons)) for neurons in neuron_sets]]))

    sets = [frozenset({Neuron(0, place)}) for place in range(20)]
    drops = Drops(suppressed)
    answered(drops.measure(sets[:3]))
    assert asked == [[frozenset(), *sets[:3]]]
    lost = answered(drops.asked([*sets, *sets]))
    np.testing.assert_allclose(lost, np.tile([n / (1 + n) for n in range(len(sets))], 2))
    assert [len(call) for call in asked] == [4, 17]
    answered(drops.measure(sets))
    assert len(asked) == 2


def test_what_was_not_measured_cannot_be_looked_up():
    drops = told(lambda suppressed: 0.5)
    with pytest.raises(KeyError):
        drops.of(ONE)
    answered(drops.measure())
    assert drops.probability == 0.5
    with pytest.raises(KeyError):
        drops.of(ONE)


def test_losses_are_shares_of_what_there_was():
    drops = told(lambda suppressed: 0.8 / (1 + len(suppressed)))
    answered(drops.measure([ONE, TWO]))
    assert drops.probability == 0.8
    assert drops.of(ONE) == pytest.approx(2 / 3)
    assert all_but_each([ONE, TWO]) == [TWO, ONE]
    np.testing.assert_allclose(drops(all_but_each([ONE, TWO])), [2 / 3, 2 / 3])


def test_log_odds_are_in_nats_and_finite_where_everything_is_lost():
    left = {frozenset(): 0.9, ONE: 0.5, TWO: 0.0}
    drops = told(left.__getitem__)
    answered(drops.measure([ONE, TWO]))
    lost = log_odds_lost(drops, [ONE, TWO])
    assert lost[0] == pytest.approx(np.log(9))
    assert np.isfinite(lost[1])
    assert lost[1] > lost[0]


def test_suppression_against_single_passes(shared_model, new_query):
    model = shared_model("gpt2")
    queries = [new_query(model.kind, seed=seed) for seed in range(2)]
    with model.suppress(ONE):
        expected = model.probabilities(queries)
    table, again = model.answer(
        [suppressed_table([(FACT, query) for query in queries], [(), ONE]), suppressed_by(FACT, queries)([(), ONE])]
    )
    np.testing.assert_allclose(table, np.stack([model.probabilities(queries), expected], axis=1), rtol=1e-6)
    np.testing.assert_array_equal(again, table)


def test_a_probability_that_is_not_a_number_names_fact_and_prompt():
    def answer(asked):
        return np.array([[np.nan if "1" in query.prompt.text else 0.5] * 2 for query in asked.queries])

    with pytest.raises(BadNumber, match=r"capital/foo.*Prompt 1.*float32"):
        answered(Drops(suppressed_by(FACT, QUERIES)).measure([ONE]), answer)


def test_union():
    assert union([ONE, TWO]) == ONE | TWO
    assert union([]) == frozenset()
