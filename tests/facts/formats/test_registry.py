from __future__ import annotations

from pathlib import Path

import pytest

from factneurons.facts.formats import registry
from factneurons.facts.formats.registry import FORMATS, SUFFIXES
from factneurons.facts.source import COMMON_OPTIONS

DOCS = (Path(__file__).parents[3] / "docs" / "facts.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", FORMATS)
def test_every_scheme_is_documented_with_its_options(name: str) -> None:
    argument = FORMATS[name].argument.strip("[]")
    rows = [line for line in DOCS.splitlines() if line.startswith("|") and f"`{name}:{argument}`" in line]
    assert len(rows) == 1
    assert [option for option in FORMATS[name].options if f"`{option}`" not in rows[0]] == []
    assert all(option.help for option in FORMATS[name].options.values())


def test_every_format_of_the_room_has_its_row() -> None:
    modules = {path.stem for path in Path(registry.__file__).parent.glob("*.py")}
    read_by = {each.read.__module__.rpartition(".")[2] for each in FORMATS.values()}
    assert modules - read_by == {"__init__", "registry", "patterns", "tables", "advice"}
    assert [name for name, each in FORMATS.items() if each.name != name] == []
    assert set(SUFFIXES.values()) <= set(FORMATS)


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_heeds_only_options_that_exist(name: str) -> None:
    each = FORMATS[name]
    assert each.selects <= set(COMMON_OPTIONS)
    assert not set(each.options) & set(COMMON_OPTIONS) - each.selects
    assert each.summary
