from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factneurons.facts.types import Fact, Prompt
from factneurons.runs.skips import SKIPPED, LeftOut, Skip

SKIP = Skip("no-prompt", "none can be asked", "capital/0000", "en", "facts.jsonl:1", "It is ___", askable=True)
FACT = Fact("a", "r", "S", "A", "en", (Prompt("S is ___"),), source="facts.jsonl:3")


@pytest.mark.parametrize("name", [field.name for field in fields(Skip) if field.type == "str"])
def test_a_skips_key_changes_with_its_content(name):
    assert replace(SKIP, **{name: "else"}).key != SKIP.key
    assert replace(SKIP, part=True, askable=False).key == SKIP.key


def test_a_fact_is_left_out_whole_or_one_prompt_of_it():
    whole, prompt = Skip.of(FACT, "a", "b"), Skip.of(FACT, "a", "b", prompt="S is ___")
    assert (whole.fact_id, whole.language, whole.source, whole.part) == ("a", "en", "facts.jsonl:3", False)
    assert (prompt.prompt, prompt.part) == ("S is ___", True)


@given(reason=st.text(max_size=3), detail=st.text(max_size=3))
def test_a_row_says_what_was_left_out_where(reason, detail):
    row = SKIPPED.row(LeftOut("locate", replace(SKIP, reason=reason, detail=detail)))
    assert row == {
        "fact_id": "capital/0000",
        "language": "en",
        "source": "facts.jsonl:1",
        "prompt": "It is ___",
        "stage": "locate",
        "reason": reason,
        "detail": detail,
    }
