from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from factneurons.errors import BadFact
from factneurons.facts.source import FactSource, load_facts

EDIT: dict[str, Any] = {
    "case_id": 3,
    "pararel_idx": 1,
    "requested_rewrite": {
        "prompt": "The native language of {} is",
        "relation_id": "P103",
        "target_new": {"str": "Elvish", "id": "Q2"},
        "target_true": {"str": " Foolish", "id": "Q1"},
        "subject": "Ada Vale",
    },
    "paraphrase_prompts": ["It rained. Ada Vale, a native", "Ada Vale spoke"],
    "neighborhood_prompts": ["The native language of Bo Baz is"],
}


def test_an_edit_is_a_fact_and_its_new_answer_is_wrong(write: Callable[..., Path]) -> None:
    path = write("counterfact.json", json.dumps([EDIT, {**EDIT, "case_id": 4}]))
    fact, other = load_facts(f"counterfact:{path}")
    assert (fact.id, other.id, fact.relation, fact.subject) == ("3", "4", "P103", "Ada Vale")
    assert (fact.answer, fact.wrong_answers) == ("Foolish", ("Elvish",))
    assert [prompt.text for prompt in fact.prompts] == [
        "The native language of Ada Vale is ___",
        "It rained. Ada Vale, a native ___",
        "Ada Vale spoke ___",
    ]
    (short,) = load_facts(f"counterfact:{path}?paraphrases=no", limit=1)
    assert len(short.prompts) == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"prompt": "The native language is"}, "pattern_slots"),
        ({"target_true": {"id": "Q1"}}, "missing_field"),
        ({"target_true": "Foolish"}, "wrong_type"),
        ({"target_new": {"str": "Foolish "}}, "wrong_answer_is_right"),
    ],
)
def test_a_bad_edit_is_told_and_counted(
    change: dict[str, Any], reason: str, write: Callable[..., Path], adds_up: Callable[[FactSource], None]
) -> None:
    bad = {**EDIT, "requested_rewrite": {**EDIT["requested_rewrite"], **change}}
    path = write("counterfact.json", "[\n" + json.dumps(bad) + ",\n" + json.dumps({**EDIT, "case_id": 4}) + "\n]")
    with pytest.raises(BadFact, match=r"counterfact\.json:2: fact '3': "):
        list(load_facts(f"counterfact:{path}"))
    source = load_facts(f"counterfact:{path}", skip_bad=True)
    assert [fact.id for fact in source] == ["4"]
    assert source.skipped == {reason: 1}
    adds_up(source)


def test_a_large_list_is_never_held_whole(tmp_path: Path) -> None:
    path = tmp_path / "counterfact.json"
    with path.open("w") as file:
        file.write("[")
        for number in range(3_000):
            edit = {**EDIT, "case_id": number, "generation_prompts": ["x" * 6000]}
            file.write(("," if number else "") + json.dumps(edit))
        file.write("]")
    assert path.stat().st_size > 16_000_000
    tracemalloc.start()
    try:
        count = sum(1 for _ in load_facts(f"counterfact:{path}"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 3_000
    assert peak < 8_000_000
