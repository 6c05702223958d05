"""What a run says of how a fact is stored, with and without another fact in the same neurons."""

from __future__ import annotations

import json

import pytest

from factneurons.runs.store import Run


@pytest.fixture
def stored(command, tmp_path):
    """stored("a", "b"): how facts of these ids are stored that are all the same question, by id."""

    def run(*ids):
        facts, folder = tmp_path / "facts.jsonl", tmp_path / "-".join(ids)
        same = {"relation": "capital", "subject": "France", "answer": "Paris", "language": "en"}
        prompts = ["The capital of France is ___."]
        facts.write_text("".join(json.dumps({"id": name, **same, "prompts": prompts}) + "\n" for name in ids))
        few = ("--draws", "1", "--unrelated", "0")
        for words in (
            ("locate", "--model", "pocket-gpt2", "--facts", facts, "--method", "dai", "--out", folder, *few),
            ("degenerate", folder, *few),
        ):
            assert command(*words)[2] == 0
        table = Run.open(folder).table("degenerate")
        return dict(zip(table["fact_id"], table["storage"], strict=True))

    return run


def test_neurons_that_carry_another_fact_of_the_run_are_shared(stored):
    assert stored("alone") == {"alone": "single"}
    assert stored("one", "another") == {"one": "shared", "another": "shared"}


def test_a_fact_and_its_reverse_are_one(stored):
    assert stored("one", "one/reverse") == {"one": "single", "one/reverse": "single"}
