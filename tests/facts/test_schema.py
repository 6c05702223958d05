"""The JSON schema and the parser say the same of a line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from factneurons.errors import BadFact
from factneurons.facts.fields import Fields
from factneurons.facts.formats.own import FIELDS, SCHEMA, fact_from_fields
from factneurons.facts.problems import BadRecord, Skipped
from factneurons.facts.reading import Reading
from factneurons.facts.source import load_facts

DEFINITION = json.loads(SCHEMA.read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(DEFINITION)

BEYOND_THE_SCHEMA = {"wrong_answer_is_right", "encoding"}
"""What no JSON schema can say: that two fields differ, and that a text has no half surrogate pairs."""

TEXT = st.sampled_from(["Barville", "B", " ", "", "a\0", "\ud800", "城", "___", " x\n"]) | st.text(max_size=4)
PROMPT = st.lists(
    st.sampled_from(["___", "____", "______", "_", "[MASK]", "<mask>", "<extra_id_0>", "a", " ", "\n", ".", ""]),
    max_size=5,
).map("".join)
ANYTHING = TEXT | st.none() | st.integers() | st.booleans() | st.lists(TEXT, max_size=2) | st.dictionaries(TEXT, TEXT)


def mostly(good: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(good, good, good, ANYTHING)


RECORDS = st.fixed_dictionaries(
    {
        "id": mostly(st.just("i")),
        "relation": mostly(st.just("r")),
        "subject": mostly(st.just("s")),
        "answer": mostly(TEXT),
        "prompts": mostly(st.lists(PROMPT, max_size=3)),
    },
    optional={
        "language": mostly(st.just("zh")),
        "date": mostly(TEXT),
        "aliases": mostly(st.lists(TEXT, max_size=2)),
        "wrong_answers": mostly(st.lists(TEXT, max_size=2)),
        "translations": mostly(st.dictionaries(TEXT, TEXT, max_size=2)),
        "_note": ANYTHING,
        "other": ANYTHING,
    },
)
DROPPED = st.sets(st.sampled_from(FIELDS), max_size=1)


def test_the_schema_is_a_schema_and_names_the_parsers_fields() -> None:
    jsonschema.Draft202012Validator.check_schema(DEFINITION)
    assert tuple(DEFINITION["properties"]) == FIELDS
    assert all("description" in each for each in DEFINITION["properties"].values())


@settings(max_examples=600, deadline=None)
@given(record=RECORDS, dropped=DROPPED)
def test_schema_and_parser_agree(record: dict[str, Any], dropped: set[str]) -> None:
    record = {name: value for name, value in record.items() if name not in dropped}
    allowed = VALIDATOR.is_valid(record)
    reason = ""
    try:
        fact_from_fields(Fields(record), "here:1", Reading())
    except BadRecord as problem:
        reason = problem.reason
    if allowed:
        assert reason in {"", *BEYOND_THE_SCHEMA}
    else:
        assert reason


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(record=RECORDS)
def test_a_line_through_the_file_gives_the_same(record: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "facts.jsonl"
    path.write_text(json.dumps(record), encoding="utf-8")
    seen: list[Skipped] = []
    facts = list(load_facts(path, skip_bad=True, on_skip=seen.append))
    reasons = [skipped.reason for skipped in seen if skipped.reason != "duplicate_prompt"]
    assert len(facts) + len(reasons) == 1
    if not facts and not VALIDATOR.is_valid(record):
        with pytest.raises(BadFact):
            list(load_facts(path))


@pytest.mark.parametrize(
    ("prompt", "good"),
    [("It is ___.", True), ("It is _____.", True), ("[MASK]", True), ("It is", False), ("___ [MASK]", False)],
)
def test_examples_of_prompts(prompt: str, good: bool, record: dict[str, Any], write: Callable[..., Path]) -> None:
    record["prompts"] = [prompt]
    assert VALIDATOR.is_valid(record) == good
    assert len(list(load_facts(write("facts.jsonl", [record]), skip_bad=True))) == good
