"""`factneurons status`: what is printed of a run, at work and at rest."""

from __future__ import annotations

import json

from factneurons.cli.status import _worker
from factneurons.facts.types import Fact, Prompt
from factneurons.runs.manifest import DataIdentity, Manifest, ModelIdentity
from factneurons.runs.skips import Skip
from factneurons.runs.status import WorkerStatus
from factneurons.runs.store import Run

FACT = Fact("a", "capital", "France", "Paris", "en", (Prompt("The capital of France is ___."),))


def test_status(command, tmp_path):
    manifest = Manifest.for_stage(
        "locate", settings={}, seed=0, command="", model=ModelIdentity("m", {}, "float32", "cpu"),
        data=DataIdentity("d", "0"),
    )  # fmt: skip
    with Run.create_or_resume(tmp_path / "run", manifest, "locate") as made:
        made.commit("locate", [FACT], {}, [Skip.of(FACT, "no-prompt", "none")])
        lines, _, code = command("status", tmp_path / "run")
        assert code == 0
        assert lines[0] == "locate: running, 1 facts (left out: 1 no-prompt)"
        assert lines[1].startswith("process ")
        assert lines[1].endswith("locate, batches in work: 0, 0 facts done, 0.0 facts/s")
    lines, _, _ = command("status", tmp_path / "run", "--json")
    told = json.loads("\n".join(lines))
    assert told["workers"] == []
    assert told["stages"][0] == {
        "name": "locate", "state": "running", "done": 0, "skipped": {"no-prompt": 1}, "total": None,
        "facts_per_second": 0.0, "seconds_left": None,
    }  # fmt: skip
    assert command("status", tmp_path / "run")[0][1] == "nobody works on it"
    assert command("status", tmp_path)[2] == 2


def test_workers_in_words():
    def told(alive, silent):
        return _worker(WorkerStatus("here", 7, "2026-01-01", "1", alive, silent, "locate", 1, 8, 2.0))

    who = "process 7 on here (since 2026-01-01): "
    assert told(True, 4.0) == f"{who}locate, batches in work: 1, 8 facts done, 2.0 facts/s"
    assert told(True, None) == told(True, 4.0)
    assert told(True, 31.4) == f"{who}frozen, no sign of life for 31 s; after 60 s others do what it is at"
    assert told(False, 90.0) == f"{who}frozen, no sign of life for 90 s; what it was at is done by others"
    assert told(False, None) == f"{who}no sign of life; what it was at is done by others"
