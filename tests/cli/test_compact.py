"""`factneurons compact`: what it says."""

from __future__ import annotations

from factneurons.facts.types import Fact, Prompt
from factneurons.runs.manifest import DataIdentity, Manifest, ModelIdentity
from factneurons.runs.skips import Skip
from factneurons.runs.store import Run


def test_compact(command, tmp_path):
    manifest = Manifest.for_stage(
        "locate", settings={}, seed=0, command="", model=ModelIdentity("m", {}, "float32", "cpu"),
        data=DataIdentity("d", "0"),
    )  # fmt: skip
    with Run.create_or_resume(tmp_path / "run", manifest, "locate") as made:
        for name in "abc":
            fact = Fact(name, "capital", "France", "Paris", "en", (Prompt("The capital of France is ___."),))
            made.commit("locate", [fact], {}, [Skip.of(fact, "no-prompt", "none")])
    assert command("compact", tmp_path / "run") == ([f"{tmp_path / 'run'}: 3 parts before, 1 now"], "", 0)
    assert len(Run.open(tmp_path / "run").table("skipped")) == 3
    _, err, code = command("compact", tmp_path)
    assert (code, err.count("\n")) == (2, 1)
