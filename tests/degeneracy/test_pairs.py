"""Degenerate pairs against the worked example, a plain loop over the definition, and a real tiny model."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import factneurons as fn
from factneurons.attribution.drops import Drops
from factneurons.attribution.types import KnowledgeNeurons
from factneurons.degeneracy.pairs import degenerate_pairs, disjoint_pairs
from factneurons.degeneracy.settings import PairSettings
from factneurons.degeneracy.tables import PAIR_FACTS, PAIRS
from factneurons.degeneracy.types import PAIR_REASONS
from factneurons.errors import BadNumber
from factneurons.facts.types import Fact, Prompt
from factneurons.models.questions import answered, knowing
from factneurons.models.types import Neuron, Query

PAGE = Path(__file__).parents[2] / "docs" / "degeneracy.md"
N = [Neuron(0, place) for place in range(100)]


class Formula:
    """P(answer) from a formula of (prompt number, suppressed set); counts the sets it is asked for at once."""

    def __init__(self, formula):
        self.formula, self.calls = formula, []

    def probabilities_with(self, queries, neuron_sets):
        self.calls.append(len(neuron_sets))
        return np.array(
            [[self.formula(int(q.answer_ids[0]), frozenset(s)) for s in neuron_sets] for q in queries], dtype=float
        )

    def answer(self, searches):
        return [
            answered(search, lambda asked: self.probabilities_with(asked.queries, asked.neuron_sets))
            for search in searches
        ]


def known(count, prompts=1):
    asked = tuple(Prompt(f"Prompt {number}: ___") for number in range(prompts))
    fact = Fact("capital/foo", "capital", "Foo", "Bar", "en", asked)
    queries = tuple(Query(p, "Bar", (1,), (0,), (number,), (), ()) for number, p in enumerate(asked))
    neurons = tuple(N[:count])
    return KnowledgeNeurons(fact, neurons, (1.0,) * count, (1.0,) * count, queries, "amig", 0.3, prompts > 1, 0.8, 1)


def worked(_prompt, suppressed):
    losses = {frozenset(): 0.0, frozenset([N[0]]): 0.1, frozenset([N[1]]): 0.05, frozenset([N[2]]): 0.3}
    return 0.8 * (1 - losses.get(suppressed, 0.5))


@pytest.mark.parametrize("search", ["all", "greedy_disjoint"])
def test_worked_example(search):
    """Single drops 0.1, 0.05, 0.3 and 0.5 for the first two together: that pair only, the third is no potential."""
    (found,) = degenerate_pairs(Formula(worked), known(3), PairSettings(search=search, t_low=0.2, t_high=0.25))
    (pair,) = found.pairs
    assert pair.neurons == (N[0], N[1])
    assert pair.drops_alone == pytest.approx((0.1, 0.05))
    assert pair.drop_together == pytest.approx(0.5)
    assert (pair.share, found.reason, found.considered, found.left_out) == (1, "", 3, 0)
    assert found.prompts[0].potentials == (N[0], N[1])
    assert found.neurons == (N[0], N[1])
    assert found.probability == pytest.approx(0.8)


def test_public_name():
    assert fn.degenerate_pairs is degenerate_pairs


def test_absolute_differences_ask_for_more_of_a_small_probability():
    def small(prompt, suppressed):
        return worked(prompt, suppressed) / 2

    assert degenerate_pairs(Formula(small), known(3))[0].pairs
    found = degenerate_pairs(Formula(small), known(3), PairSettings(differences="absolute"))[0]
    assert (found.pairs, found.reason) == ((), "no-pair-is-needed")  # 0.2 of 0.4 is lost, 0.25 is asked for
    assert set(found.prompts[0].potentials) == {N[0], N[1], N[2]}


@st.composite
def losses(draw):
    count = draw(st.integers(2, 6))
    levels = st.sampled_from([0.0, 0.04, 0.05, 0.2, 0.21, 0.25, 0.3, 0.6])
    return count, {frozenset(subset): draw(levels) for size in (1, 2) for subset in combinations(N[:count], size)}


@given(losses(), st.sampled_from(["all", "greedy_disjoint"]))
@hypothesis_settings(deadline=None)
def test_every_pair_is_what_the_definition_says(case, search):
    count, table = case
    settings = PairSettings(search=search)
    low, high = settings.thresholds
    model = Formula(lambda _, suppressed: 1 - table.get(suppressed, 0.0))
    (found,) = degenerate_pairs(model, known(count), settings)
    right = {
        pair
        for pair in combinations(N[:count], 2)
        if all(1 - (1 - table[frozenset([n])]) <= low for n in pair) and 1 - (1 - table[frozenset(pair)]) >= high
    }
    pairs = {pair.neurons for pair in found.pairs}
    assert bool(found.reason) == (not pairs)
    if search == "all":
        assert pairs == right
        return
    assert pairs <= right
    assert len(found.neurons) == 2 * len(pairs), "no neuron is in two pairs"
    drops = Drops(lambda sets: knowing(np.array([[1 - table.get(frozenset(s), 0.0) for s in sets]])))
    assert {tuple(sorted(pair)) for pair in answered(disjoint_pairs(N[:count], drops, settings))} == pairs


def test_greedy_takes_out_both_neurons_of_a_pair_that_loses_less_than_t_low():
    """(0, 1) loses nothing, so neither is looked at again, though (0, 2) would pass."""
    model = Formula(lambda _, suppressed: 0.1 if suppressed == {N[0], N[2]} else 0.9)
    assert degenerate_pairs(model, known(3))[0].neurons == (N[0], N[2])
    assert degenerate_pairs(model, known(3), PairSettings(search="greedy_disjoint"))[0].pairs == ()


def test_prompts_must_agree():
    """The pair (0, 1) holds for three of four prompts, (2, 3) for one."""

    def formula(prompt, suppressed):
        pair = {N[2], N[3]} if prompt == 3 else {N[0], N[1]}
        return 0.1 if pair <= suppressed else 0.9

    (found,) = degenerate_pairs(Formula(formula), known(4, prompts=4))
    (pair,) = found.pairs
    assert (pair.neurons, pair.share) == ((N[0], N[1]), 0.75)
    assert [prompt.pairs for prompt in found.prompts] == [((N[0], N[1]),)] * 3 + [((N[2], N[3]),)]
    (strict,) = degenerate_pairs(Formula(formula), known(4, prompts=4), PairSettings(share=1))
    assert (strict.pairs, strict.reason) == ((), "prompts-disagree")


@pytest.mark.parametrize(
    ("count", "formula", "reason"),
    [
        (1, worked, "too-few-neurons"),
        (0, worked, "too-few-neurons"),
        (3, lambda *_: 0.0, "zero-probability"),
        (3, lambda _, suppressed: 0.1 if suppressed else 0.9, "fewer-than-two-potentials"),
        (3, lambda *_: 0.9, "no-pair-is-needed"),
    ],
)
def test_reasons(count, formula, reason):
    (found,) = degenerate_pairs(Formula(formula), known(count))
    assert (found.pairs, found.reason) == ((), reason)
    assert reason in PAIR_REASONS


def test_the_cap_is_stated_and_the_best_scored_are_kept():
    model = Formula(lambda _, suppressed: 0.1 if len(suppressed) == 2 else 0.9)
    table = degenerate_pairs(model, known(70, prompts=2))
    assert (table[0].considered, table[0].left_out) == (64, 6)
    assert set(table[0].neurons) == set(N[:64])
    assert len(table[0].pairs) == 64 * 63 // 2
    frame = table.to_frame("pair_facts")
    assert frame[["considered", "left_out", "pairs", "pairs_of_any_prompt"]].iloc[0].tolist() == [64, 6, 2016, 2016]
    assert model.calls == [1 + 64, 2016], "all sets and prompts together"
    assert degenerate_pairs(model, known(70), PairSettings(most=3))[0].considered == 3


def test_frames():
    table = degenerate_pairs(Formula(worked), [known(3), known(1)])
    frame = table.to_frame()
    assert list(frame.columns) == PAIRS.names
    assert frame["neurons"][0].tolist() == [{"layer": 0, "index": 0}, {"layer": 0, "index": 1}]
    assert frame[["prompts", "agreed", "drop_first", "drop_second", "drop_together"]].iloc[0].tolist() == pytest.approx(
        [1, True, 0.1, 0.05, 0.5]
    )
    facts = table.to_frame("pair_facts")
    assert list(facts.columns) == PAIR_FACTS.names
    assert facts["reason"].tolist() == ["", "too-few-neurons"]
    assert facts["potentials"].tolist() == [2, 0]
    assert len(table) == 2
    assert len(degenerate_pairs(Formula(worked), []).to_frame()) == 0


def test_thresholds_follow_the_search_unless_given():
    assert PairSettings().thresholds == (0.2, 0.25)
    assert PairSettings(search="greedy_disjoint").thresholds == (0.05, 0.3)
    assert PairSettings(search="greedy_disjoint", t_low=0.1).thresholds == (0.1, 0.3)


def test_a_probability_that_is_not_a_number_names_the_fact():
    with pytest.raises(BadNumber, match=r"capital/foo.*Prompt 0"):
        degenerate_pairs(Formula(lambda *_: float("nan")), known(3))


def test_on_a_model_as_one_set_at_a_time(one_of_each, shared_model, new_query):
    """Losses of the pairs are those of suppressing them in a `with` block, whatever the architecture."""
    model = shared_model(one_of_each)
    queries = tuple(new_query(model.kind, seed=seed) for seed in range(2))
    neurons = tuple(Neuron(layer, index) for layer in range(2) for index in (1, 5))
    fact = replace(known(4, prompts=2), neurons=neurons, queries=queries)
    settings = PairSettings(t_low=1, t_high=0, share=0.5, differences="absolute")
    (found,) = degenerate_pairs(model, fact, settings)
    before = model.probabilities(queries)
    for prompt, untouched in zip(found.prompts, before, strict=True):
        assert prompt.probability == pytest.approx(untouched, rel=1e-6)
        for pair in combinations(neurons, 2):
            with model.suppress(pair):
                lost = untouched - model.probabilities([prompt.query])[0]
            assert (pair in prompt.pairs) == (lost >= 0) or abs(lost) < 1e-9


@pytest.mark.parametrize("table", [PAIR_REASONS])
def test_the_method_page_shows_the_reasons(table):
    rows = "\n".join(f"| `{name}` | {meaning} |" for name, meaning in table.items())
    assert rows in PAGE.read_text(encoding="utf-8")
