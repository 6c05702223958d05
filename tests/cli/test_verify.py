"""`factneurons verify`: a run, its model and its data are looked at as far as they are here."""

from __future__ import annotations

from dataclasses import replace

import pytest

from factneurons.facts.source import load_facts
from factneurons.facts.types import Fact, Prompt
from factneurons.facts.writing import write_jsonl
from factneurons.models.bundled import pocket_path
from factneurons.models.fingerprint import fingerprint
from factneurons.runs.manifest import DataIdentity, Manifest, ModelIdentity
from factneurons.runs.skips import Skip
from factneurons.runs.store import Run

FACT = Fact("a", "capital", "France", "Paris", "en", (Prompt("The capital of France is ___."),))


@pytest.fixture
def make(tmp_path):
    """make(model=..., files=...): a run of one fact that could not be asked, and the file of its facts."""
    data = tmp_path / "facts.jsonl"
    write_jsonl([FACT], data)

    def run(model="pocket-gpt2", files=None):
        manifest = Manifest.for_stage(
            "locate", settings={}, seed=0, command="factneurons locate",
            model=ModelIdentity(model, files or {}, "float32", "cpu"),
            data=DataIdentity(str(data), load_facts(data).sha256()),
        )  # fmt: skip
        with Run.create_or_resume(tmp_path / "run", manifest, "locate") as made:
            made.commit("locate", [FACT], {}, [Skip.of(FACT, "no-prompt", "none")])
        return tmp_path / "run"

    return run, data


def test_a_run_as_it_was_made_is_whole(make, command):
    run, _ = make
    folder = run(files=fingerprint(pocket_path("pocket-gpt2")))
    assert command("verify", folder) == ([f"{folder}: every file is as it was written"], "", 0)


def test_other_data_are_told_and_end_with_2(make, command):
    run, data = make
    folder = run(files=fingerprint(pocket_path("pocket-gpt2")))
    write_jsonl([replace(FACT, answer="Lyon")], data)
    lines, err, code = command("verify", folder)
    assert (lines, code) == ([], 2)
    assert "data" in err


def test_what_is_not_here_is_a_note_and_no_fault(make, command):
    run, data = make
    folder = run(model="someone/model")
    data.unlink()
    lines, err, code = command("verify", folder)
    assert (lines, code) == ([f"{folder}: every file is as it was written"], 0)
    assert "the model's files were not checked: someone/model is no folder here" in err
    assert "the data were not checked" in err
