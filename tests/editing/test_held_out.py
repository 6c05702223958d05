"""What is asked about an edit: the groups of prompts and their answers."""

from collections import Counter
from dataclasses import replace

import pytest

from factneurons.editing.build import split_prompts
from factneurons.editing.held_out import GROUPS, evaluation_prompts, statement_queries
from factneurons.editing.settings import EditSettings
from factneurons.facts.negating import negated
from factneurons.facts.related import RelatedFacts
from factneurons.facts.types import Fact, Prompt


@pytest.fixture(scope="module")
def prompts(gpt2, around, spain):
    to = around.translated(spain, "rupee")
    return evaluation_prompts(gpt2, [split_prompts(gpt2, spain)], to, around, EditSettings(), neighbours=4, unrelated=3)


def test_groups(prompts, spain, gpt2):
    split = split_prompts(gpt2, spain)
    texts = {group: {each.query.prompt for each in prompts if each.group == group} for group in GROUPS}
    assert texts["edit"] == {query.prompt for query in split.used}
    assert texts["paraphrases"] == {query.prompt for query in split.held_out}
    assert texts["negated"] == {negated(query.prompt, "en") for query in split.held_out} - {None}
    assert texts["negated"]
    assert {each.fact.language for each in prompts if each.group == "other languages"} == {"zh"}
    neighbours = {each.fact for each in prompts if each.group == "neighbours"}
    assert len(neighbours) == 4
    assert {fact.relation for fact in neighbours} == {"currency"}
    assert spain not in neighbours
    unrelated = {each.fact.relation for each in prompts if each.group == "unrelated"}
    assert unrelated <= {"chemical_symbol", "chemical_symbol_reverse"}
    assert {each.query.answer for each in prompts if each.group == "edit"} == {"euro", "rupee"}


def test_reverse_asks_who_has_the_new_answer(gpt2, around):
    iron, gold = (
        next(f for f in around.facts if (f.id, f.language) == (f"chemical_symbol/{name}", "en"))
        for name in ("iron", "gold")
    )
    found = evaluation_prompts(gpt2, [split_prompts(gpt2, iron)], {"en": gold.answer}, around, EditSettings())
    asked = {(each.role, each.query.answer): each.query.prompt.text for each in found if each.group == "reverse"}
    assert set(asked) == {("new", iron.subject), ("old", iron.subject)}
    assert gold.answer in asked["new", iron.subject]
    assert iron.answer in asked["old", iron.subject]


def test_synonyms_are_asked_in_the_facts_own_prompts(gpt2, spain):
    twin = Fact("x", "currency", "X", "rupee", "en", (Prompt("The currency of X is the ___."),), aliases=("yen",))
    own = Fact(spain.id, "currency", "Spain", "euro", "en", spain.prompts, aliases=("dollar",))
    found = evaluation_prompts(
        gpt2, [split_prompts(gpt2, own)], {"en": "rupee"}, RelatedFacts([own, twin]), EditSettings()
    )
    asked = {(each.role, each.query.answer) for each in found if each.group == "synonyms"}
    assert asked == {("old", "dollar"), ("new", "yen")}


def test_statements(gpt2):
    """A causal model reads everything after the first word, in one query."""
    (query,) = statement_queries(gpt2, "The currency of Spain is the euro.")
    assert query.answer == "currency of Spain is the euro."
    assert query.prompt.left == "The "


def test_what_cannot_be_asked_is_counted(gpt2, spain):
    odd = replace(spain, id="x", prompts=(*spain.prompts, Prompt("___ is its currency.")), subject="Nowhere")
    never = replace(spain, id="y", prompts=(Prompt("___ is money."),), subject="Elsewhere")
    left_out = Counter()
    around = RelatedFacts([spain, odd, never])
    split = split_prompts(gpt2, spain)
    evaluation_prompts(gpt2, [split], {}, around, EditSettings(), neighbours=5, left_out=left_out)
    assert left_out == {("neighbours", "blank-not-at-end"): 1, ("negated", "no-negation"): 2}
    left_out.clear()
    evaluation_prompts(gpt2, [split], {"en": " "}, around, EditSettings(), neighbours=0, left_out=left_out)
    asked = len(split.used) + len(split.held_out)
    assert left_out["edit", "empty-answer"] + left_out["paraphrases", "empty-answer"] == asked
