"""What stands beside a fact: the same in other languages, its relation, its reverse, unrelated facts."""

import pytest

from factneurons.facts.related import FactPool, RelatedFacts, few_per_relation, same_fact, same_relation
from factneurons.facts.source import load_facts
from factneurons.facts.types import Fact, Prompt


def make_fact(number, relation="capital", language="en"):
    prompts = (Prompt(f"{relation} {number} is ___."),)
    return Fact(f"{relation}/{number}", relation, f"subject {number}", f"answer {number}", language, prompts)


def pool_of(facts, ask=lambda fact: fact.id, most=64):
    return FactPool(few_per_relation(facts, most), ask)


@pytest.fixture(scope="module")
def around():
    return RelatedFacts(load_facts("bundled?relation=chemical_symbol,currency&reverse=yes"))


@pytest.fixture(scope="module")
def spain(around):
    return next(fact for fact in around.facts if (fact.id, fact.language) == ("currency/spain", "en"))


def test_related_facts(around, spain):
    assert set(around.languages(spain)) == {"en", "zh"}
    assert all(fact.subject != "Spain" and fact.relation == "currency" for fact in around.neighbours(spain))
    assert {fact.answer for fact in around.holders(spain, "Rupee")} == {"rupee"}
    assert set(around.translated(spain, "rupee")) == {"en", "zh"}
    assert around.translated(spain, "no such money") == {"en": "no such money"}
    assert around.reverse(spain) is None
    iron = next(fact for fact in around.facts if fact.id == "chemical_symbol/iron")
    assert around.reverse(iron).relation == "chemical_symbol_reverse"
    assert all("chemical" not in fact.relation for fact in around.unrelated(iron))


def test_unrelated_facts_are_of_other_relations_and_the_same_language():
    facts = [
        make_fact(number, relation, language)
        for number in range(4)
        for relation in ("capital", "capital_reverse", "author", "sport_reverse")
        for language in ("en", "zh")
    ]
    pool = pool_of(facts)
    for fact in facts:
        drawn = [other for other, _ in pool.unrelated(fact, 50, seed=1)]
        bases = {other.relation.removesuffix("_reverse") for other in drawn}
        assert bases == {"capital", "author", "sport"} - {fact.relation.removesuffix("_reverse")}
        assert {other.language for other in drawn} == {fact.language}
        assert len({other.key for other in drawn}) == len(drawn)


def test_unrelated_facts_are_drawn_by_seed_and_fact():
    facts = [make_fact(number, relation) for number in range(40) for relation in ("capital", "author", "sport")]

    def draw(fact, order=facts, count=5, seed=1):
        return [other for other, _ in pool_of(order, most=8).unrelated(fact, count, seed)]

    assert draw(facts[0]) == draw(facts[0], order=facts[::-1])
    assert draw(facts[0], count=3) == draw(facts[0])[:3]
    assert draw(facts[0], seed=2) != draw(facts[0])
    assert draw(facts[3]) != draw(facts[0])
    assert draw(facts[0], count=0) == []
    assert len(draw(facts[0], count=99)) == 16  # at most 8 of each of the two other relations are kept


def test_only_drawn_facts_are_asked_and_each_once():
    facts = [make_fact(number, "author") for number in range(30)]
    asked = []

    def ask(fact):
        asked.append(fact)
        return None if fact.id in ("author/3", "author/4") else fact

    pool = pool_of(facts, ask)
    everything = [other.id for other, _ in pool.unrelated(make_fact(0), 30, seed=1)]
    assert len(everything) == 28
    assert not {"author/3", "author/4"} & set(everything)
    pool.unrelated(make_fact(1), 5, seed=1)
    assert len(asked) == 30
    asked.clear()
    pool_of(facts, ask).unrelated(make_fact(0), 2, seed=1)
    assert len(asked) <= 4


def test_other_facts_are_of_any_relation_but_not_the_fact_reversed():
    facts = [make_fact(n, relation, lang) for n in range(6) for relation in ("a", "b") for lang in ("en", "zh")]
    facts += [Fact(f"{fact.id}/reverse", "a_reverse", "x", "y", "en", fact.prompts) for fact in facts[:4:2]]

    def drawn(order, fact, count):
        return [other.id for other, _ in FactPool(order, lambda fact: fact.id).others(fact, count, seed=1)]

    fact = facts[0]
    everything = drawn(facts, fact, 99)
    assert len(everything) == 12 + 2 - 2  # English ones and reverses, without the fact and its own reverse
    assert not {fact.id, f"{fact.id}/reverse"} & set(everything)
    assert drawn(facts[::-1], fact, 5) == drawn(facts, fact, 5) == everything[:5]
    assert drawn(facts, facts[2], 5) != drawn(facts, fact, 5)


def test_draws_of_runs_made_before():
    facts = [
        Fact(
            f"{relation}/{n}{back}",
            relation + back.replace("/", "_"),
            f"s {n}",
            f"a {n}",
            language,
            (Prompt("x ___."),),
        )
        for n in range(9)
        for relation in ("capital", "author", "sport")
        for language in ("en", "zh")
        for back in ("", "/reverse")
    ]
    unrelated = pool_of(facts, most=4).unrelated(facts[0], 6, 42)
    assert [other.id for other, _ in unrelated] == [
        "author/2/reverse", "author/2", "author/5/reverse", "sport/6", "author/7", "sport/8/reverse"
    ]  # fmt: skip
    assert same_fact(facts[0], facts[1])
    assert same_relation(facts[0], facts[1])
    assert not same_relation(facts[0], facts[4])
