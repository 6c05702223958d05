from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from factneurons.errors import BadFact
from factneurons.facts.formats.pararel import shared_words
from factneurons.facts.source import FactSource, load_facts


def bag(subject: str, answer: str) -> list[list[str]]:
    return [
        [f"The capital of {subject} is [MASK] .", answer, "P36(capital)"],
        [f"{subject}'s capital, [MASK].", answer, "P36(capital)"],
        [f"[MASK] is the capital of {subject}.", answer, "P36(capital)"],
    ]


def test_a_bag_is_a_fact(write: Callable[..., Path]) -> None:
    (fact,) = load_facts(f"pararel:{write('bags.json', json.dumps([bag('Foo-Land, East', 'Bar')], indent=2))}")
    assert (fact.id, fact.relation, fact.subject, fact.answer) == (
        "P36/Foo-Land, East/Bar",
        "P36",
        "Foo-Land, East",
        "Bar",
    )
    assert fact.prompts[1].text == "Foo-Land, East's capital, ___."


def test_a_bag_that_comes_twice_is_counted_and_no_mistake_of_the_user(
    write: Callable[..., Path], adds_up: Callable[[FactSource], None]
) -> None:
    bags = [bag("Foo", "Bar"), bag("Foo", "Baz"), bag("Foo", "Bar")]
    source = load_facts(f"pararel:{write('bags.json', json.dumps(bags))}")
    assert [fact.answer for fact in source] == ["Bar", "Baz"]
    assert source.skipped == {"duplicate_fact": 1}
    adds_up(source)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({}, "a bag must be a list"),
        ([], "the bag is empty"),
        ([["It is [MASK]", "A"]], r"\[prompt, answer, relation\] is needed"),
        ([["It is", "A", "P1(r)"]], "this one has none"),
        ([["A [MASK]", "A", "P1(r)"], ["A [MASK]", "B", "P1(r)"]], "more than one answer"),
        ([["One [MASK]", "A", "P1(r)"], ["Two [MASK]", "A", "P1(r)"]], "share no words"),
    ],
)
def test_a_bad_bag_is_told_and_the_rest_goes_on(value: object, said: str, write: Callable[..., Path]) -> None:
    path = write("bags.json", "[\n" + json.dumps(value) + ",\n" + json.dumps(bag("Foo", "Bar")) + "]")
    with pytest.raises(BadFact, match=rf"bags\.json:2: .*{said}"):
        list(load_facts(f"pararel:{path}"))
    source = load_facts(f"pararel:{path}", skip_bad=True)
    assert [fact.answer for fact in source] == ["Bar"]
    assert sum(source.skipped.values()) == 1


def test_the_subject_is_what_all_prompts_share() -> None:
    texts = ["___'s capital, Sana'a.", "Sana'a is the capital of ___.", "The capital of ___ is Sana'a."]
    assert shared_words(texts, "P1376(capital of)") == "Sana'a"


def test_the_real_bags(real_data: Path, adds_up: Callable[[FactSource], None]) -> None:
    source = load_facts(f"pararel:{real_data}/pararel/bags.json")
    facts = list(source)
    adds_up(source)
    assert (source.records, len(facts), source.skipped) == (937, 934, {"duplicate_fact": 3})
    assert sum(len(fact.prompts) for fact in facts) == 934 * 14
    with_slot = {prompt.text.replace(fact.subject, "[X]") for fact in facts for prompt in fact.prompts}
    assert len(with_slot) == 28  # the 14 templates of each of the two relations, so every subject is whole
