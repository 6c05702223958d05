"""Thresholds matched in size, chosen on facts that take no further part."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import factneurons as fn
from factneurons.errors import BadSetting
from factneurons.multilingual.join import by_fact
from factneurons.multilingual.plan import matched_cuts, plan_of, relative_scores
from factneurons.multilingual.settings import LanguageSettings


@pytest.fixture
def unequal(known_in):
    """Forty facts with 4 English neurons each and 12 Chinese ones."""
    rng = np.random.default_rng(0)
    known = []
    for number in range(40):
        for language, count in (("en", 4), ("zh", 12)):
            scores = np.sort(rng.random(count))[::-1]
            known.append(known_in(f"f{number}", language, [(0, i) for i in range(count)], scores=scores.tolist()))
    return known


def test_sizes_match_on_facts_the_cuts_were_not_chosen_on(unequal):
    found = fn.language_independent(unequal, width=50, thresholds="match_size", held_out=0.5)
    reasons = [each.reason for each in found]
    assert reasons.count("held-out") == 20
    sizes = np.array([each.sizes for each in found if each.takes_part])
    assert sizes[:, 0].tolist() == [4] * 20
    assert sizes[:, 1].mean() == pytest.approx(4, abs=1)


def test_held_out_facts_depend_on_the_seed_and_on_nothing_else(unequal):
    def held_out(known, seed):
        settings = LanguageSettings(thresholds="match_size", seed=seed)
        return plan_of(by_fact(known), settings).held_out

    assert held_out(unequal, 1) == held_out(unequal[::-1], 1) != held_out(unequal, 2)
    assert len(held_out(unequal, 1)) == 8


def test_a_cut_keeps_rounds_and_shares_with_their_neurons(known_in):
    few = known_in("a", "en", [(0, 0)])
    many = known_in("a", "zh", [(0, 1), (0, 0), (0, 2)], scores=[0.2, 1.0, 0.9], rounds=(1, 1, 2))
    plan = plan_of(by_fact([few, many]), LanguageSettings())
    cut = type(plan)(plan.languages, plan.needed, (0.0, 0.95)).cut({"en": few, "zh": many})
    assert cut[0] is few
    assert (cut[1].neurons, cut[1].scores, cut[1].rounds, cut[1].shares) == (((0, 0),), (1.0,), (1,), (1.0,))


def test_one_fact_leaves_none_to_hold_out(known_in):
    known = [known_in("a", language, [(0, 0)]) for language in ("en", "zh")]
    with pytest.raises(BadSetting, match="at least two facts in all languages"):
        fn.language_independent(known, width=10, thresholds="match_size")


sizes_of_facts = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=6)


@given(sizes=sizes_of_facts, data=st.data())
def test_cuts_leave_the_smallest_total(known_in, sizes, data):
    facts = []
    for number, counts in enumerate(sizes):
        fact = {}
        for language, count in zip(("en", "zh"), counts, strict=True):
            scores = data.draw(st.lists(st.floats(0.01, 1), min_size=count, max_size=count, unique=True))
            fact[language] = known_in(f"{number}", language, [(0, i) for i in range(count)], scores=scores)
        facts.append(fact)
    plan = plan_of({str(n): fact for n, fact in enumerate(facts)}, LanguageSettings())
    cuts = matched_cuts(facts, plan.languages)
    cut = type(plan)(plan.languages, plan.needed, cuts)
    left = np.array([[len(each.neurons) for each in cut.cut(fact)] for fact in facts])
    before = np.array(sizes)
    fewest = before.sum(0).min()
    assert min(cuts) == 0.0 or fewest == 0
    for place, (language, share) in enumerate(zip(plan.languages, cuts, strict=True)):
        above = sum(score > share for fact in facts for score in relative_scores(fact[language]))
        assert left[:, place].sum() >= fewest
        assert above <= fewest or share == 0.0  # only neurons of equal scores may go beyond


def test_scores_of_which_none_is_above_0_are_equal_shares(known_in):
    neurons = [(0, 1), (0, 2)]
    assert relative_scores(known_in("f", "en", neurons, scores=[0.0, -0.5])) == [1.0, 1.0]
    assert relative_scores(known_in("f", "en", neurons, scores=[0.5, 0.25])) == [1.0, 0.5]
    assert relative_scores(known_in("f", "en", [], scores=[])) == []
