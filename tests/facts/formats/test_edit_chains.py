from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from factneurons.errors import BadFact
from factneurons.facts.source import FactSource, load_facts

HOPS = [
    {"question": "Who wrote Foo?", "cloze": "Foo was written by", "answer": "Ada Vale", "answer_alias": ["A. Vale"]},
    {"question": "Where is Ada Vale from?", "cloze": "Ada Vale comes from", "answer": "Barland", "answer_alias": []},
]
MQUAKE: dict[str, Any] = {
    "case_id": 1,
    "requested_rewrite": [],
    "questions": ["Where is the author of Foo from?"],
    "single_hops": HOPS,
    "orig": {"triples_labeled": [["Foo", "author", "Ada Vale"], ["Ada Vale", "citizenship", "Barland"]]},
}
RIPPLE: dict[str, Any] = {
    "example_type": "popular",
    "edit": {"prompt": "The name of the mayor of Barville is Bo Baz.", "subject_id": "Q1", "relation": "MAYOR"},
    "Relation_Specificity": [
        {
            "test_queries": [],
            "test_condition": "OR",
            "condition_queries": [
                {
                    "prompt": "The name of the country of Barville is",
                    "answers": [{"value": "Barland", "aliases": ["Kingdom of Barland", "Barland"]}],
                    "query_type": "regular",
                    "subject_id": "Q1",
                    "relation": "COUNTRY",
                    "target_ids": ["Q2"],
                }
            ],
        }
    ],
    "Subject_Aliasing": [],
}


@pytest.mark.parametrize("lines", [False, True])
def test_mquake_gives_each_hop_once(lines: bool, write: Callable[..., Path]) -> None:
    edits = [MQUAKE, {**MQUAKE, "case_id": 2}]
    source = load_facts(f"mquake:{write('MQuAKE-CF-3k.json', edits if lines else json.dumps(edits))}")
    one, two = source
    assert (one.relation, one.subject, one.answer, one.aliases) == ("author", "Foo", "Ada Vale", ("A. Vale",))
    assert [prompt.text for prompt in two.prompts] == ["Ada Vale comes from ___", "Where is Ada Vale from? ___"]
    assert source.skipped == {"duplicate_fact": 2}


def test_rippleedits_gives_what_was_true_before(write: Callable[..., Path]) -> None:
    (fact,) = load_facts(f"rippleedits:{write('popular.json', json.dumps([RIPPLE]))}")
    assert (fact.relation, fact.subject, fact.answer) == ("COUNTRY", "Barville", "Barland")
    assert (fact.aliases, fact.prompts[0].text) == (
        ("Kingdom of Barland",),
        "The name of the country of Barville is ___",
    )


def test_what_is_wrong_is_told_and_counted(write: Callable[..., Path], adds_up: Callable[[FactSource], None]) -> None:
    bad = {**MQUAKE, "orig": {"triples_labeled": [["Foo", "author"], *MQUAKE["orig"]["triples_labeled"][1:]]}}
    path = write("m.json", json.dumps([bad]))
    with pytest.raises(BadFact, match=r"m.json:1: \[subject, relation, object\] is needed"):
        list(load_facts(f"mquake:{path}"))
    source = load_facts(f"mquake:{path}", skip_bad=True)
    assert [fact.subject for fact in source] == ["Ada Vale"]
    adds_up(source)
