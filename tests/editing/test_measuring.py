"""What is asked about an edit, and the numbers made of it, against plain counting."""

import numpy as np
import pandas as pd
import pytest

from factneurons.editing.build import split_prompts
from factneurons.editing.held_out import GROUPS, probes_of, statement_queries
from factneurons.editing.measuring import COLUMNS, MEASURES, measure, number, numbers_of, perplexity
from factneurons.editing.settings import EditSettings
from factneurons.facts.related import Surroundings
from factneurons.facts.types import Fact, Prompt


def row(group, role, rank, log_probability, prediction, tokens=1):
    before, after = rank
    return dict(
        zip(
            COLUMNS,
            (group, role, "f", "en", "s", "p ___", "a", tokens, *log_probability, before, after, *prediction),
            strict=True,
        )
    )


TABLE = pd.DataFrame(
    [
        row("edit", "new", (7, 1), (-5.0, -0.5), ("a", "b")),
        row("edit", "new", (9, 4), (-6.0, -1.0), ("a", "a")),
        row("edit", "old", (1, 3), (-0.1, -3.0), ("a", "b")),
        row("edit", "old", (1, 1), (-0.1, -0.2), ("a", "a")),
        row("neighbours", "statement", (1, 1), (-4.0, -6.0), ("x", "x"), tokens=2),
        row("neighbours", "statement", (1, 1), (-2.0, -3.0), ("x", "x"), tokens=1),
    ]
)


@pytest.mark.parametrize(
    ("group", "name", "before", "after"),
    [
        ("edit", "success rate", 0, 0.5),
        ("edit", "success@5", 0, 1),
        ("edit", "MRR, new answer", (1 / 7 + 1 / 9) / 2, (1 + 1 / 4) / 2),
        ("edit", "MRR, old answer", 1, (1 / 3 + 1) / 2),
        ("edit", "change rate", 0, 0.5),
        ("edit", "old answer first", 1, 0.5),
        ("edit", "P(new answer)", (np.exp(-5) + np.exp(-6)) / 2, (np.exp(-0.5) + np.exp(-1)) / 2),
        ("edit", "P(old answer)", np.exp(-0.1), (np.exp(-3.0) + np.exp(-0.2)) / 2),
        ("neighbours", "perplexity", np.exp(6 / 3), np.exp(9 / 3)),
    ],
)
def test_numbers(group, name, before, after):
    assert number(TABLE, group, name, "before") == pytest.approx(before)
    assert number(TABLE, group, name) == pytest.approx(after)
    assert numbers_of(TABLE)[group, name] == pytest.approx((before, after))


def test_what_was_not_asked_has_no_number():
    assert number(TABLE, "reverse", "success rate") is None
    assert number(TABLE, "neighbours", "success rate") is None
    assert len({kind.name for kind in MEASURES}) == len(MEASURES)


def test_perplexity_of_a_uniform_guess():
    assert perplexity(np.array([[3 * np.log(7), 3.0], [np.log(7), 1.0]])) == pytest.approx(7)


@pytest.fixture(scope="module")
def probes(gpt2, around, spain):
    to = around.translated(spain, "rupee")
    return probes_of(gpt2, [split_prompts(gpt2, spain)], to, around, EditSettings(), neighbours=4, unrelated=3)


def test_groups(probes, spain, gpt2):
    split = split_prompts(gpt2, spain)
    texts = {group: {each.query.prompt for each in probes if each.group == group} for group in GROUPS}
    assert texts["edit"] == {query.prompt for query in split.used}
    assert texts["paraphrases"] == {query.prompt for query in split.held_out}
    assert {each.fact.language for each in probes if each.group == "other languages"} == {"zh"}
    neighbours = {each.fact for each in probes if each.group == "neighbours"}
    assert len(neighbours) == 4
    assert {fact.relation for fact in neighbours} == {"currency"}
    assert spain not in neighbours
    unrelated = {each.fact.relation for each in probes if each.group == "unrelated"}
    assert unrelated <= {"chemical_symbol", "chemical_symbol_reverse"}
    assert {each.query.answer for each in probes if each.group == "edit"} == {"euro", "rupee"}


def test_reverse_asks_who_has_the_new_answer(gpt2, around):
    iron, gold = (
        next(f for f in around.facts if (f.id, f.language) == (f"chemical_symbol/{name}", "en"))
        for name in ("iron", "gold")
    )
    found = probes_of(gpt2, [split_prompts(gpt2, iron)], {"en": gold.answer}, around, EditSettings())
    asked = {(each.role, each.query.answer): each.query.prompt.text for each in found if each.group == "reverse"}
    assert set(asked) == {("new", iron.subject), ("old", iron.subject)}
    assert gold.answer in asked["new", iron.subject]
    assert iron.answer in asked["old", iron.subject]


def test_synonyms_are_asked_in_the_facts_own_prompts(gpt2, spain):
    twin = Fact("x", "currency", "X", "rupee", "en", (Prompt("The currency of X is the ___."),), aliases=("yen",))
    own = Fact(spain.id, "currency", "Spain", "euro", "en", spain.prompts, aliases=("dollar",))
    found = probes_of(gpt2, [split_prompts(gpt2, own)], {"en": "rupee"}, Surroundings([own, twin]), EditSettings())
    asked = {(each.role, each.query.answer) for each in found if each.group == "synonyms"}
    assert asked == {("old", "dollar"), ("new", "yen")}


def test_statements(gpt2):
    """A causal model reads everything after the first word, in one query."""
    (query,) = statement_queries(gpt2, "The currency of Spain is the euro.")
    assert query.answer == "currency of Spain is the euro."
    assert query.prompt.left == "The "


def test_measure_leaves_the_model_alone(gpt2, made, probes, bytes_of):
    before = bytes_of(gpt2)
    table = measure(gpt2, made, probes)
    assert bytes_of(gpt2) == before
    assert list(table.columns) == list(COLUMNS)
    assert len(table) == len(probes)
    assert number(table, "edit", "success rate") == 1
    assert number(table, "edit", "success rate", "before") == 0
    by_hand = [each for each in probes if each.group == "paraphrases" and each.role == "old"]
    with made.on(gpt2):
        plain = gpt2.evaluate([each.query for each in by_hand])
    own = table[(table["group"] == "paraphrases") & (table["role"] == "old")]
    assert own["rank_after"].tolist() == [each.rank for each in plain]


def test_surroundings(around, spain):
    assert set(around.languages(spain)) == {"en", "zh"}
    assert all(fact.subject != "Spain" and fact.relation == "currency" for fact in around.neighbours(spain))
    assert {fact.answer for fact in around.holders(spain, "Rupee")} == {"rupee"}
    assert set(around.translated(spain, "rupee")) == {"en", "zh"}
    assert around.translated(spain, "no such money") == {"en": "no such money"}
    assert around.reverse(spain) is None
    iron = next(fact for fact in around.facts if fact.id == "chemical_symbol/iron")
    assert around.reverse(iron).relation == "chemical_symbol_reverse"
    assert all("chemical" not in fact.relation for fact in around.unrelated(iron))
