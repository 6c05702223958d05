from __future__ import annotations

import re
from pathlib import Path

import factneurons.facts
from factneurons.facts.problems import REASONS, BadRecord, shown

SOURCES = Path(factneurons.facts.types.__file__).parent
DOCS = Path(__file__).parents[2] / "docs" / "facts.md"


def test_every_reason_that_is_given_is_in_the_list_and_the_other_way_round() -> None:
    given: set[str] = set()
    for path in SOURCES.rglob("*.py"):
        given |= set(re.findall(r'BadRecord\(\s*"(\w+)"', path.read_text(encoding="utf-8")))
    assert given == set(REASONS)


def test_every_reason_is_documented() -> None:
    text = DOCS.read_text(encoding="utf-8")
    assert [reason for reason in REASONS if f"| `{reason}` |" not in text] == []


def test_a_problem_says_where_and_which_fact() -> None:
    problem = BadRecord("empty_field", "the field 'answer' is empty").at("file:3", "f1")
    assert str(problem) == "file:3: fact 'f1': the field 'answer' is empty"
    assert str(problem.at("other:4", "f2")) == str(problem)


def test_a_value_is_shown_on_one_line_and_cut() -> None:
    assert shown("a\nb") == "'a\\nb'"
    assert shown("城") == "'城'"
    assert shown("\ud800").isascii()
    assert len(shown("x" * 500)) == 80
