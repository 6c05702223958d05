from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from factneurons.errors import BadSetting
from factneurons.facts.source import load_facts
from factneurons.facts.types import Fact, Prompt
from factneurons.facts.writing import write_jsonl

FACT = Fact("i", "r", "城", "A", "en", (Prompt("It is ___"),))


def test_a_line_holds_what_is_not_empty(tmp_path: Path) -> None:
    path = tmp_path / "facts.jsonl"
    assert write_jsonl([FACT], path) == 1
    text = path.read_text(encoding="utf-8")
    assert "城" in text
    assert json.loads(text) == {
        "id": "i",
        "relation": "r",
        "subject": "城",
        "answer": "A",
        "language": "en",
        "prompts": ["It is ___"],
    }


def test_a_source_can_be_written_in_our_format(record: dict[str, Any], write: Callable[..., Path]) -> None:
    source = load_facts(write("facts.jsonl", [record]))
    copy = write("copy.jsonl", "")
    write_jsonl(source, copy)
    assert list(load_facts(copy)) == list(source)


def test_a_source_that_breaks_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "facts.jsonl"
    write_jsonl([FACT], path)
    before = path.read_bytes()

    def broken() -> Iterator[Fact]:
        yield FACT
        raise KeyError("the source broke")

    with pytest.raises(KeyError):
        write_jsonl(broken(), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="cannot be written: No such file or directory"):
        write_jsonl([FACT], tmp_path / "none" / "facts.jsonl")
    with pytest.raises(BadSetting, match="cannot be written"):
        write_jsonl([FACT], tmp_path)
