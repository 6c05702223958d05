"""What a stage leaves out, and how the table of it says so."""

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factneurons.facts.types import Fact, Prompt
from factneurons.runs.skips import SKIPPED, LeftOut, Skip

SKIP = Skip("no-prompt", "none can be asked", "capital/0000", "en", "facts.jsonl:1", "It is ___", askable=True)
PROMPTS = (Prompt("The capital of France is ___."),)
FACT = Fact("capital/france", "capital", "France", "Paris", "en", PROMPTS, source="f:2")


def test_a_prompt_is_a_part_of_its_fact():
    whole, part = Skip.of(FACT, "no-neurons", "it has none"), Skip.of(FACT, "blank", "not last", prompt="___ is it.")
    assert (whole.fact_id, whole.language, whole.source, whole.part) == ("capital/france", "en", "f:2", False)
    assert (part.prompt, part.part) == ("___ is it.", True)


@pytest.mark.parametrize("name", [field.name for field in fields(Skip) if field.type == "str"])
def test_a_skips_key_changes_with_its_content(name):
    assert replace(SKIP, **{name: "else"}).key != SKIP.key
    assert replace(SKIP, part=True, askable=False).key == SKIP.key


@given(reason=st.text(max_size=3), detail=st.text(max_size=3))
def test_a_skip_is_a_row_of_its_stage(reason, detail):
    (row,) = SKIPPED.rows([LeftOut("locate", replace(SKIP, reason=reason, detail=detail))])
    assert (row["stage"], row["reason"], row["detail"], row["fact_id"]) == ("locate", reason, detail, SKIP.fact_id)
