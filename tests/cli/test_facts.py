"""`factneurons facts`: what it prints is what there is."""

from __future__ import annotations

import re

import pytest

from factneurons.facts.types import Fact, Prompt
from factneurons.facts.writing import write_jsonl

FACTS = [
    Fact("a", "capital", "France", "Paris", "en", (Prompt("The capital of France is ___."), Prompt("___ is it."))),
    Fact("b", "capital", "Japan", "Tokyo", "en", (Prompt("The capital of Japan, ___, is large."),)),
    Fact("c", "size", "鲸", "大", "zh", (Prompt("鲸很___"),), date="2020"),
]


@pytest.fixture
def facts_file(tmp_path):
    write_jsonl(FACTS, tmp_path / "facts.jsonl")
    return tmp_path / "facts.jsonl"


def test_describe(command, facts_file):
    lines, err, code = command("facts", "describe", facts_file)
    assert (err, code) == ("", 0)
    assert str(facts_file) in lines[0]
    assert lines[1] == "records: 3, facts: 3, facts with a date: 1, prompts: 4"
    assert lines[2] == "languages: en 2, zh 1"
    assert (
        lines[3] == "blanks: 2 at the end, 1 inside, 1 at the start; a causal model can only be asked those at the end"
    )
    assert [line.split() for line in lines[4:]] == [
        ["relation", "facts", "prompts", "dated"],
        ["capital", "2", "3", "0"],
        ["size", "1", "1", "1"],
    ]


def test_describe_counts_what_is_left_out(command, facts_file):
    with facts_file.open("a", encoding="utf-8") as file:
        file.write('{"id": "d", "relation"\n')
    lines, err, code = command("facts", "describe", facts_file, "--skip-bad")
    assert (err, code) == ("", 0)
    assert "records: 4, facts: 3, facts with a date: 1, prompts: 4" in lines
    assert "records left out: unreadable 1" in lines
    lines, _, _ = command("facts", "describe", facts_file, "--limit", 1)
    assert lines[1].startswith("records: 1, facts: 1,")
    lines, _, _ = command("facts", "describe", f"{facts_file}?lang=zh", "--skip-bad")
    assert "not chosen by the options: not_selected 2" in lines


def test_describe_says_what_a_model_can_be_asked(command, facts_file):
    lines, err, code = command("facts", "describe", facts_file, "--model", "pocket-gpt2")
    assert (err, code) == ("", 0)
    prompts = int(re.fullmatch(r"askable: \d+ facts?, (\d+) prompts?", next(x for x in lines if "askable:" in x))[1])
    refused = [line for line in lines if line.startswith("not askable, ")]
    assert any(line.startswith("not askable, blank-not-at-end: 2 prompts; for instance ") for line in refused)
    assert prompts + sum(int(re.search(r": (\d+) prompts?;", line)[1]) for line in refused) == 4
    assert "askable prompts" in "\n".join(lines)
