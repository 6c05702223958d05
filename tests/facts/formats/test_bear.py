from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from factneurons.errors import BadFact, BadSetting
from factneurons.facts.source import load_facts

LINES = [
    {
        "sub_id": "Q1",
        "sub_label": "Fooland",
        "sub_aliases": [],
        "obj_id": "Q2",
        "obj_label": "Barville",
        "answer_idx": 0,
    },
    {"sub_label": "Bazland", "sub_aliases": [], "obj_id": "Q4", "obj_label": "Quxton", "answer_idx": 1},
]
METADATA = {
    "P36": {
        "templates": ["The capital of [X] is [Y].", "[Y] is the capital of [X]."],
        "answer_space_labels": ["Barville", "Quxton"],
        "answer_space_ids": ["Q2", "Q4"],
    }
}


def test_a_fact_is_asked_with_all_templates_and_the_other_answers_are_wrong(write: Callable[..., Path]) -> None:
    folder = write("BEAR/P36.jsonl", LINES).parent
    with pytest.raises(BadSetting, match="metadata_relations"):
        load_facts(f"bear:{folder}")
    write("BEAR/metadata_relations.json", json.dumps(METADATA))
    one, two = load_facts(f"bear:{folder}?relation=P36")
    assert (one.id, one.relation, one.subject, one.answer) == ("P36/1", "P36", "Fooland", "Barville")
    assert (one.wrong_answers, two.wrong_answers) == (("Quxton",), ("Barville",))
    assert [prompt.text for prompt in one.prompts] == [
        "The capital of Fooland is ___.",
        "___ is the capital of Fooland.",
    ]


def test_a_relation_without_metadata_is_told(write: Callable[..., Path]) -> None:
    folder = write("BEAR/P6.jsonl", LINES).parent
    write("BEAR/metadata_relations.json", json.dumps(METADATA))
    with pytest.raises(BadFact, match=r"P6.jsonl:1: fact 'P6/1': the field 'P6' is missing"):
        list(load_facts(f"bear:{folder}"))
