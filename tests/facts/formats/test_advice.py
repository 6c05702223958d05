from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from factneurons.errors import BadFact
from factneurons.facts.formats.advice import advice
from factneurons.facts.formats.tables import parse_columns
from factneurons.facts.source import load_facts

RECORD = {"known_id": 1, "about": {"subj": "Fooland"}, "obj": "Barville", "question": "Its capital?", "long": "x" * 500}


def test_the_record_is_shown_cut_and_the_line_can_be_typed(write: Callable[..., Path]) -> None:
    text = advice(RECORD)
    assert "x" * 200 not in text
    line = text.partition("?columns=")[2].partition(" ")[0]
    assert line == "id:known_id,relation:=RELATION,subject:about.subj,answer:obj,prompt:question"
    assert set(parse_columns(line)) == {"id", "relation", "subject", "answer", "prompt"}
    for path in (write("a.jsonl", [RECORD]), write("a.json", json.dumps([RECORD]))):
        with pytest.raises(BadFact) as caught:
            list(load_facts(path))
        assert f"?columns={line}" in str(caught.value)
        (fact,) = load_facts(f"{path}?columns={line}&blank=end")
        assert (fact.subject, fact.prompts[0].text) == ("Fooland", "Its capital? ___")
