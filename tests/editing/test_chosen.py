"""Which facts are meant, and what they are to become, from what a person writes."""

from __future__ import annotations

import pytest

from factneurons.editing.chosen import answers_by_language, facts_to_edit
from factneurons.editing.settings import EditSettings
from factneurons.errors import BadSetting
from factneurons.facts.related import RelatedFacts
from factneurons.facts.types import Fact, Prompt

FRANCE = Fact("capital/france", "capital", "France", "Paris", "en", (Prompt("The capital of France is ___."),))
CHINESE = Fact("capital/france", "capital", "法国", "巴黎", "zh", (Prompt("法国的首都是___"),))
SPAIN = Fact("capital/spain", "capital", "Spain", "Madrid", "en", (Prompt("The capital of Spain is ___."),))
SPANISH = Fact("capital/spain", "capital", "西班牙", "马德里", "zh", (Prompt("西班牙的首都是___"),))
AROUND = RelatedFacts([FRANCE, CHINESE, SPAIN, SPANISH])
UPDATE, RELATION = EditSettings(kind="least-change"), EditSettings(kind="erase-relation")


@pytest.mark.parametrize("name", ["capital/spain", "The capital of Spain is ___."])
def test_a_fact_by_its_id_or_a_prompt(name):
    assert facts_to_edit(AROUND, name, UPDATE) == (SPAIN,)
    assert facts_to_edit(AROUND, name, UPDATE, languages=("en", "zh")) == (SPAIN, SPANISH)


def test_a_prompt_of_no_fact():
    (own,) = facts_to_edit(AROUND, "The river of Spain is ___.", UPDATE, answer="Tagus", languages=("en",))
    assert (own.answer, own.language, own.subject) == ("Tagus", "en", "The river of Spain is")
    assert own.prompts == (Prompt("The river of Spain is ___."),)


def test_the_facts_of_a_relation_are_in_its_first_language():
    assert set(facts_to_edit(AROUND, "capital", RELATION)) == {FRANCE, SPAIN}


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("capital/spian", {}, "there is no fact 'capital/spian'; near it: capital/spain"),
        ("The river is ___.", {}, "say its answer as it is now with --answer"),
        ("The river is ___.", {"answer": "Tagus", "languages": ("en", "zh")}, "--languages names several"),
        ("capital/spain", {"answer": "Madrid"}, "this one is capital/spain: Madrid"),
        ("capital/spain", {"languages": ("fr",)}, "capital/spain is not there in fr; it is in en, zh"),
    ],
)
def test_what_is_not_there(name, options, message):
    with pytest.raises(BadSetting, match=message):
        facts_to_edit(AROUND, name, UPDATE, **options)


def test_what_is_near_is_named_once_whatever_the_languages():
    with pytest.raises(BadSetting) as caught:
        facts_to_edit(AROUND, "capital/frnace", UPDATE)
    assert str(caught.value).count("capital/france") == 1


def test_no_such_relation():
    with pytest.raises(BadSetting, match="there is no relation 'river'; there are: capital"):
        facts_to_edit(AROUND, "river", RELATION)


def test_a_new_answer_in_every_language_that_has_it():
    assert answers_by_language(AROUND, SPAIN, ["Paris"]) == {"en": "Paris", "zh": "巴黎"}
    assert answers_by_language(AROUND, SPAIN, ["Paris", "zh=罗马"]) == {"en": "Paris", "zh": "罗马"}
    assert answers_by_language(AROUND, SPAIN, ["fr=Rome"]) == {"en": "fr=Rome"}
    with pytest.raises(BadSetting, match="two new answers in en"):
        answers_by_language(AROUND, SPAIN, ["Paris", "en=Rome"])
