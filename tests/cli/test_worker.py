"""`factneurons worker`: what there is to join, and what there is not."""

from __future__ import annotations

from factneurons.facts.types import Fact, Prompt
from factneurons.runs.manifest import DataIdentity, Manifest, ModelIdentity
from factneurons.runs.skips import Skip
from factneurons.runs.store import Run

FACT = Fact("a", "capital", "France", "Paris", "en", (Prompt("The capital of France is ___."),))


def make(folder, state):
    manifest = Manifest.for_stage(
        "locate", settings={}, seed=0, command="", model=ModelIdentity("m", {}, "float32", "cpu"),
        data=DataIdentity("d", "0"),
    )  # fmt: skip
    with Run.create_or_resume(folder, manifest, "locate") as made:
        made.commit("locate", [FACT], {}, [Skip.of(FACT, "no-prompt", "none")])
        made.set_state("locate", state)


def test_a_run_that_is_done_needs_no_worker(command, tmp_path):
    make(tmp_path / "run", "done")
    assert command("worker", tmp_path / "run") == ([f"{tmp_path / 'run'}: nothing is left to do"], "", 0)


def test_a_run_from_python_has_no_command(command, tmp_path):
    make(tmp_path / "run", "interrupted")
    lines, err, code = command("worker", tmp_path / "run")
    assert (lines, code) == ([], 2)
    assert "was begun from Python" in err


def test_no_run_is_one_line(command, tmp_path):
    lines, err, code = command("worker", tmp_path)
    assert (lines, code, err.count("\n")) == ([], 2, 1)
