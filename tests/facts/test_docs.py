"""docs/facts.md names every scheme and option, and its example is a fact."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from factneurons.facts.formats.registry import FORMATS
from factneurons.facts.source import COMMON_OPTIONS, load_facts

TEXT = (Path(__file__).parents[2] / "docs" / "facts.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", FORMATS)
def test_every_scheme_is_documented_with_its_options(name: str) -> None:
    argument = FORMATS[name].argument.strip("[]")
    rows = [line for line in TEXT.splitlines() if line.startswith("|") and f"`{name}:{argument}`" in line]
    assert len(rows) == 1
    assert [option for option in FORMATS[name].options if f"`{option}`" not in rows[0]] == []
    assert all(option.help for option in FORMATS[name].options.values())


def test_the_common_options_are_documented() -> None:
    assert [option for option in COMMON_OPTIONS if f"`{option}`" not in TEXT] == []


def test_the_example_is_a_fact(write: Callable[..., Path]) -> None:
    found = re.search(r"```json\n(.*?)\n```", TEXT, re.DOTALL)
    assert found is not None
    (fact,) = load_facts(write("example.jsonl", found[1]))
    assert fact.answer == "Paris"
