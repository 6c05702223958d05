from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from factneurons.facts.source import FactSource, load_facts


def row(query: str, relation: str = "P54") -> dict[str, Any]:
    return {
        "query": query,
        "answer": [{"name": "FC Foo"}],
        "date": "2014",
        "id": f"Q1_{relation}_2014",
        "relation": relation,
    }


@pytest.mark.parametrize(
    ("query", "relation", "text"),
    [
        ("In 2014, Ada [REPLACED] plays for", "P54", "In 2014, Ada [REPLACED] plays for ___"),
        ("In 2014, Which team is Vale a player for?", "P54", "In 2014, Which team is Vale a player for? ___"),
        ("In 2014, _X_ is the head coach FC Foo.", "P286", "In 2014, ___ is the head coach FC Foo."),
        ("In 2014, Who is the coach of Foo?", "P286", "In 2014, Who is the coach of Foo? ___"),
    ],
)
def test_neither_date_nor_perturbation_is_added_again(
    query: str, relation: str, text: str, write: Callable[..., Path]
) -> None:
    (fact,) = load_facts(f"perturbed:{write('add.jsonl', [row(query, relation)])}")
    assert [prompt.text for prompt in fact.prompts] == [text]
    assert (fact.subject, fact.date) == ("Q1", "2014")


def test_a_blank_that_was_perturbed_away_is_counted_and_never_moved(
    write: Callable[..., Path], adds_up: Callable[[FactSource], None]
) -> None:
    rows = [row("In 2014, [REPLACED] is the head coach of FC Foo.", "P286"), row("In 2014, Ada plays for")]
    source = load_facts(f"perturbed:{write('replace.jsonl', rows)}")
    assert [fact.relation for fact in source] == ["P54"]
    assert source.skipped == {"blank_lost": 1}
    adds_up(source)


@pytest.mark.parametrize(
    ("name", "read", "lost", "at_end"),
    [
        ("gpt2/add", 25, 0, 25),
        ("gpt2/delete", 34, 0, 34),
        ("gpt2/replace", 49, 0, 49),
        ("llama/add", 1_746, 0, 950),
        ("llama/delete", 2_463 - 121, 121, 1_582),
        ("llama/replace", 2_589 - 178, 178, 1_542),
    ],
)
def test_the_real_files(
    name: str, read: int, lost: int, at_end: int, real_data: Path, adds_up: Callable[[FactSource], None]
) -> None:
    source = load_facts(f"perturbed:{real_data}/dkn/perturbed/{name}.jsonl")
    positions = [fact.prompts[0].blank_position for fact in source]
    assert (len(positions), sum(source.skipped.values()), positions.count("end")) == (read, lost, at_end)
    adds_up(source)
