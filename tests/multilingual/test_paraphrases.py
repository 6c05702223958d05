"""Consistency of a fact's prompts: measures with known values, Otsu's threshold, and facts that have no score."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import factneurons as fn
from factneurons.errors import BadSetting
from factneurons.facts.types import Fact, Prompt
from factneurons.models.types import Neuron
from factneurons.multilingual import paraphrases
from factneurons.multilingual.paraphrases import consistency_of, otsu
from factneurons.multilingual.types import STATIC


def neurons(*indices):
    return {Neuron(0, index) for index in indices}


def test_worked_example():
    """Three sets; 2 is in all of them, 1 in two, 3 and 4 in one each."""
    found = consistency_of([neurons(1, 2), neurons(1, 2, 3), neurons(2, 4)])
    assert found.strict == 1 / 4
    assert found.relaxed == 2 / 4
    assert found.jaccard == pytest.approx((2 / 3 + 1 / 3 + 1 / 4) / 3)
    assert found.sorensen == pytest.approx(3 / 2 * (1 - 4 / 7))
    sums = {1: 1 / 2 + 1 / 3, 2: 1 / 2 + 1 / 3 + 1 / 2, 3: 1 / 3, 4: 1 / 2}
    squares = 2 / 4 + 3 / 9 + 2 / 4
    assert found.morisita_horn == pytest.approx((sum(v**2 for v in sums.values()) - squares) / (2 * squares))
    assert found.sets == 3


def test_two_sets_of_one_size_give_twice_what_is_shared():
    """Then Sorensen and Morisita-Horn are both 2 |A and B| / (|A| + |B|)."""
    found = consistency_of([neurons(1, 2, 3, 4), neurons(3, 4, 5, 6)])
    assert found.sorensen == pytest.approx(0.5)
    assert found.morisita_horn == pytest.approx(0.5)


def test_one_set_is_consistent_with_nothing():
    with pytest.raises(BadSetting, match="two or more sets, not 1"):
        consistency_of([neurons(1)])


def test_no_neurons_have_no_score():
    assert math.isnan(consistency_of([set(), set()]).relaxed)


sets = st.lists(
    st.frozensets(st.builds(Neuron, st.integers(0, 1), st.integers(0, 5)), max_size=6), min_size=2, max_size=6
)


@given(sets)
def test_measures_are_between_nothing_and_all(given_sets):
    found = consistency_of(given_sets)
    values = [found.strict, found.relaxed, found.jaccard, found.sorensen, found.morisita_horn]
    if not any(given_sets):
        assert all(math.isnan(value) for value in values)
        return
    assert all(-1e-12 <= value <= 1 + 1e-12 for value in values)
    assert found.strict <= found.relaxed
    if len(set(given_sets)) == 1:
        assert values == pytest.approx([1.0] * 5)
    if sum(map(len, given_sets)) == len(frozenset().union(*given_sets)):
        assert values == pytest.approx([0.0] * 5)


@given(sets, st.randoms())
def test_order_does_not_matter(given_sets, random):
    shuffled = random.sample(given_sets, len(given_sets))
    first, second = consistency_of(given_sets), consistency_of(shuffled)
    for name in ("strict", "relaxed", "jaccard", "sorensen", "morisita_horn"):
        assert getattr(first, name) == pytest.approx(getattr(second, name), nan_ok=True)


@given(st.lists(st.floats(0, 1), max_size=30))
def test_otsu_is_the_best_of_all_splits(scores):
    """Against the slow way: the sum of squares around the two means, for every split."""
    bound = otsu(scores)
    values = np.array(scores)

    def within(threshold):
        return sum(
            part.var() * len(part) for part in (values[values < threshold], values[values >= threshold]) if len(part)
        )

    if len(set(scores)) < 2:
        assert bound == STATIC
        return
    assert bound in scores
    assert within(bound) <= min(within(value) for value in set(scores) if value > min(scores)) + 1e-9


def test_otsu_splits_two_clouds():
    assert otsu([0.1, 0.12, 0.15, 0.8, 0.85]) == 0.8


@pytest.fixture
def asked(shared_model, new_query, monkeypatch):
    """A tiny model, asked ready-made queries instead of prompts."""
    model = shared_model("gpt2")

    def ask(_model, fact, **_):
        return [new_query("causal", seed=int(prompt.text.split()[1])) for prompt in fact.prompts], []

    monkeypatch.setattr(paraphrases, "ask", ask)
    return model


def fact(name, *seeds):
    return Fact(name, "capital", name, "x", "en", tuple(Prompt(f"prompt {seed} ___") for seed in seeds))


def test_prompts_are_located_one_by_one(asked, new_query):
    same, two, one = fact("same", 1, 1), fact("two", 1, 2), fact("one", 1)
    found = fn.consistency(asked, [same, two, one], method="dai")
    assert [each.reason for each in found] == ["", "", "one-prompt"]
    assert (found[0].scores.strict, found[0].scores.morisita_horn) == (1.0, pytest.approx(1.0))
    assert (found[0].consistent, found[2].consistent, found[2].scores) == (True, None, None)
    assert found[1].scores.relaxed == len(found[1].neurons[0] & found[1].neurons[1]) / len(
        found[1].neurons[0] | found[1].neurons[1]
    )
    assert {each.threshold for each in found} == {STATIC}
    frame = found.to_frame()
    assert frame["relaxed"].tolist()[:2] == [each.scores.relaxed for each in found.rows[:2]]
    assert frame["relaxed"].isna().tolist() == [False, False, True]
    assert found["one"].reason == "one-prompt"


def test_otsu_looks_at_all_facts(asked):
    facts = [fact("same", 1, 1), fact("two", 1, 2), fact("three", 3, 4)]
    found = fn.consistency(asked, facts, method="dai", threshold="otsu")
    bound = otsu([each.scores.relaxed for each in found])
    assert [each.consistent for each in found] == [each.scores.relaxed >= bound for each in found]
    assert found[0].consistent
    assert not all(each.consistent for each in found)


@pytest.mark.parametrize("threshold", ["median", -0.1, 1.5])
def test_bad_threshold(asked, threshold):
    with pytest.raises(BadSetting, match="a CS from 0 to 1, or 'otsu'"):
        fn.consistency(asked, [], threshold=threshold)
