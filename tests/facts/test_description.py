from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from factneurons.errors import BadFact, NotAskable
from factneurons.facts.description import describe
from factneurons.facts.source import load_facts
from factneurons.facts.types import Fact, Prompt


def made(number: int, *texts: str, relation: str = "capital", language: str = "en", date: str | None = None) -> Fact:
    return Fact(f"f{number}", relation, "S", "A", language, tuple(map(Prompt, texts)), date=date)


FACTS = [
    made(1, "It is ___.", "___ is it."),
    made(2, "In 2014 it was ___ there.", date="2014"),
    made(2, "它是___。", language="zh"),
    made(3, "So ___", relation="currency", date="2015"),
]


def ask(prompt: Prompt, answer: str) -> str:
    if prompt.blank_position != "end":
        raise NotAskable("text_after_blank", f"there is text after the blank: {prompt.text}")
    return answer


def test_everything_is_counted() -> None:
    result = describe(FACTS)
    assert (result.facts, result.prompts, result.dated, result.records) == (4, 5, 2, 4)
    assert result.languages == {"en": 3, "zh": 1}
    assert result.dates == {"2014": 1, "2015": 1}
    assert result.blanks == {"end": 3, "start": 1, "inside": 1}
    assert list(result.relations) == ["capital", "currency"]
    capital = result.relations["capital"]
    assert (capital.facts, capital.prompts, capital.dated, capital.languages) == (3, 4, 1, {"en": 2, "zh": 1})
    assert (result.asked, result.askable_facts, result.refusals) == (False, 0, {})


def test_what_a_model_can_be_asked_is_counted_with_reasons() -> None:
    result = describe(FACTS, ask)
    assert result.asked
    assert (result.askable_facts, result.askable_prompts) == (3, 3)
    (refusal,) = result.refusals.items()
    assert refusal[0] == "text_after_blank"
    assert refusal[1].prompts == 2
    assert refusal[1].example == "f1: there is text after the blank: ___ is it."
    assert result.askable_prompts + sum(each.prompts for each in result.refusals.values()) == result.prompts
    assert [counts.askable_facts for counts in result.relations.values()] == [2, 1]


def test_what_a_source_skipped_is_there_too(record: dict[str, Any], write: Callable[..., Path]) -> None:
    path = write("facts.jsonl", [record, {**record, "id": "other", "answer": ""}, {**record, "id": "third"}])
    result = describe(load_facts(f"{path}?dated=yes", skip_bad=True))
    assert (result.records, result.facts, result.skipped) == (3, 2, {"empty_field": 1})
    assert result.sha256 == load_facts(path).sha256()
    assert str(path) in result.description
    with pytest.raises(BadFact):
        describe(load_facts(path))


def test_other_errors_of_a_model_are_not_taken_for_refusals() -> None:
    def broken(prompt: Prompt, answer: str) -> None:
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError):
        describe(FACTS, broken)
