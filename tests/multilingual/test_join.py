"""Joining languages: the rules, the reasons, and what does not join."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

import factneurons as fn
from factneurons.errors import BadSetting
from factneurons.models.types import Neuron
from factneurons.multilingual.join import mean_jaccard

EN, ZH, FR = [(0, 1), (0, 2), (1, 3)], [(0, 2), (1, 3), (1, 4)], [(1, 3), (1, 4), (1, 5)]


@pytest.fixture
def three(known_in):
    return [known_in("a", language, neurons) for language, neurons in (("en", EN), ("zh", ZH), ("fr", FR))]


@pytest.mark.parametrize(
    ("options", "neurons"),
    [
        ({}, {(1, 3)}),
        ({"rule": "at_least", "at_least": 2}, {(0, 2), (1, 3), (1, 4)}),
        ({"rule": "at_least", "at_least": 3}, {(1, 3)}),
        ({"rule": "union"}, {*EN, *ZH, *FR}),
        ({"languages": ("en", "zh")}, {(0, 2), (1, 3)}),
    ],
)
def test_rules(three, options, neurons):
    (found,) = fn.language_independent(three, width=10, **options)
    assert set(found.neurons) == neurons
    assert len(found.neurons) == len(neurons)
    assert found.reason == ""


def test_neurons_come_best_first_over_languages(known_in):
    english = known_in("a", "en", [(0, 1), (0, 2)], scores=[10.0, 9.0])
    chinese = known_in("a", "zh", [(0, 2), (0, 1)], scores=[0.4, 0.1])
    (found,) = fn.language_independent([english, chinese], width=10)
    assert found.neurons == (Neuron(0, 2), Neuron(0, 1))


def test_one_record_per_fact_says_what_it_is_made_of(three):
    (found,) = fn.language_independent(three, width=10, languages=("zh", "en"))
    assert found.languages == ("zh", "en")
    assert found.sizes == (3, 3)
    assert found.holders(Neuron(0, 1)) == ("en",)
    assert found.jaccard == 2 / 4
    assert found.takes_part
    assert found.exact


def test_reasons(known_in):
    facts = {
        "empty": {"en": EN, "zh": []},
        "lonely": {"en": EN},
        "shared": {"en": EN, "zh": ZH},
        "strange": {"en": [(0, 1)], "zh": [(0, 2)]},
    }
    known = [known_in(name, language, own) for name, sets in facts.items() for language, own in sets.items()]
    found = fn.language_independent(known, width=10)
    assert {each.fact_id: each.reason for each in found} == {
        "empty": "no-neurons",
        "lonely": "language-missing",
        "shared": "",
        "strange": "nothing-shared",
    }
    lonely = next(each for each in found if each.fact_id == "lonely")
    assert not lonely.takes_part
    assert math.isnan(lonely.p_value)


def test_a_language_without_facts(three):
    with pytest.raises(BadSetting, match="no fact was located in 'de'; the facts are in: en, fr, zh"):
        fn.language_independent(three, width=10, languages=("en", "de"))


def test_one_language_only(known_in):
    with pytest.raises(BadSetting, match=r"these are in en only; .*bundled\?lang=en,zh"):
        fn.language_independent([known_in("a", "en", EN)], width=10)


def test_ids_that_do_not_join(known_in):
    known = [known_in("P36/1", "en", EN), known_in("Q142", "zh", ZH)]
    with pytest.raises(BadSetting, match=r"ids do not join \(for instance en: 'P36/1'; zh: 'Q142'\)"):
        fn.language_independent(known, width=10)


def test_a_fact_twice(known_in):
    with pytest.raises(BadSetting, match="'a' is there twice in en"):
        fn.language_independent([known_in("a", "en", EN), known_in("a", "en", ZH)], width=10)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rule": "at_least", "at_least": 4}, "at_least 4 of 3 languages"),
        ({"rule": "agnostic"}, "use language_agnostic"),
        ({"size": 3}, "size"),
    ],
)
def test_rules_that_do_not_fit(three, options, message):
    with pytest.raises(BadSetting, match=message):
        fn.language_independent(three, width=10, **options)


neuron_sets = st.frozensets(st.tuples(st.integers(0, 2), st.integers(0, 9)), max_size=8)


@given(sets=st.lists(neuron_sets, min_size=2, max_size=4))
def test_rules_are_nested_and_order_does_not_matter(known_in, sets):
    known = [known_in("a", f"l{place}", sorted(found)) for place, found in enumerate(sets)]
    counts = []
    for least in range(1, len(sets) + 1):
        (found,) = fn.language_independent(known, width=10, rule="at_least", at_least=least)
        (other,) = fn.language_independent(known[::-1], width=10, rule="at_least", at_least=least)
        assert set(found.neurons) == set(other.neurons) == {n for n in _all(sets) if _held(sets, n) >= least}
        assert 0 <= found.p_value <= 1 + 1e-9
        counts.append(set(found.neurons))
    assert all(more >= fewer for more, fewer in pairwise(counts))


def _all(sets):
    return set().union(*sets)


def _held(sets, neuron):
    return sum(neuron in own for own in sets)


@given(st.lists(neuron_sets, min_size=2, max_size=5))
def test_jaccard_is_between_nothing_and_all(sets):
    value = mean_jaccard(sets)
    assert math.isnan(value) if not any(sets) else 0 <= value <= 1
    if any(sets) and len(set(sets)) == 1:
        assert value == 1
