"""Facts about things that do not exist, and facts that are given: what can be planted and what is refused."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factneurons.errors import BadSetting
from factneurons.planted.invented import GUESSED, Inventor, _spelled, probability
from factneurons.planted.orders import invented_orders
from factneurons.planted.settings import PlantingSettings


@pytest.fixture(scope="module")
def inventor(base):
    return Inventor(base("gpt2"), prompts=2, seed=0)


@given(st.integers(0, 2**32 - 1))
def test_names_differ_in_two_syllables(seed):
    maker = object.__new__(Inventor)
    maker._rng = np.random.default_rng(seed)
    names = list(islice(maker._all_names(), 40))
    for one, other in combinations(names, 2):
        assert sum(a != b for a, b in zip(one, other, strict=True)) >= 2
    for language in ("en", "zh"):
        assert len({_spelled(name, language) for name in names}) == len(names)


def test_there_are_so_many_names_and_no_more():
    maker = object.__new__(Inventor)
    maker._rng = np.random.default_rng(0)
    names = maker._all_names()
    assert len(set(islice(names, 256))) == 256
    with pytest.raises(BadSetting, match="no more than 256 facts"):
        next(names)


def test_an_invented_fact_is_not_known(inventor, base):
    model = base("gpt2")
    both = inventor.fact(("en", "zh"))
    assert [fact.language for fact in both] == ["en", "zh"]
    assert both[0].id == both[1].id
    for fact in both:
        assert len(fact.prompts) == 2
        assert all(fact.subject in prompt.text for prompt in fact.prompts)
        assert {len(model.query(prompt, fact.answer).answer_ids) for prompt in fact.prompts} == {1}
        assert probability(model, fact) <= GUESSED
    like = inventor.like(both[0])
    assert (like.relation, like.answer, like.language) == (both[0].relation, both[0].answer, "en")
    assert like.subject != both[0].subject


def test_the_seed_decides(base):
    settings = PlantingSettings(mix={"single": 2, "degenerate": 1, "bilingual": 1}, prompts=1)
    same, again, other = (invented_orders(base("gpt2"), replace(settings, seed=seed)) for seed in (1, 1, 2))
    assert same == again != other
    assert [order.regime for order in same] == ["single", "single", "degenerate", "bilingual"]
    assert [len(order.facts) for order in same] == [1, 1, 1, 2]
    assert len(same[2].partners) in (2, 3)
    assert {partner.answer for partner in same[2].partners} == {same[2].facts[0].answer}


def test_nothing_to_invent(base):
    for mix in ({}, {"single": 0}):
        with pytest.raises(BadSetting, match="there is nothing to plant"):
            invented_orders(base("gpt2"), PlantingSettings(mix=mix))
    with pytest.raises(BadSetting, match=r"no bundled relation has 99 patterns .* give facts of your own"):
        invented_orders(base("gpt2"), PlantingSettings(prompts=99))


# Given facts
