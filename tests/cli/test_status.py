"""`factneurons status`: what is printed of a run, at work and at rest."""

from __future__ import annotations

import json

from factneurons.facts.types import Fact, Prompt
from factneurons.runs.manifest import DataIdentity, Manifest, ModelIdentity
from factneurons.runs.skips import Skip
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
