"""Runs that are killed or stopped from outside go on where they were: nothing is lost, nothing is there twice."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

import factneurons as fn
from factneurons.runs.verify import verify


def commits(folder: Path, stage: str = "") -> int:
    return len(list((folder / "parts").glob(f"*-{stage}*")))


def wait_for(folder: Path, count: int, stage: str = "") -> None:
    """Until a stage has made so many commits."""
    deadline = time.monotonic() + 300
    while commits(folder, stage) < count:
        assert time.monotonic() < deadline, f"{commits(folder)} commits in five minutes"
        time.sleep(0.002)


def once_each(folder: Path, stage: str) -> bool:
    names = [(name.fact_id, name.language) for name in fn.Run.open(folder).fact_names(stage)]
    return len(names) == len(set(names)) == 40


@pytest.mark.parametrize("seed", [1, 2])
def test_kill_9_and_resume(seed, commands, tmp_path, start, run, finished, same_tables):
    out, generator = tmp_path / "run", random.Random(seed)
    for count in sorted(generator.sample(range(1, 9), 3)):  # five commits locate, five more test
        process = start(*commands.locate(out))
        wait_for(out, count)
        time.sleep(generator.uniform(0, 0.1))
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait().code == -signal.SIGKILL
        kept = fn.Run.open(out)
        assert verify(kept) == []
        assert kept.manifest.stages["locate"].state in ("running", "done")
        assert len(kept.table("facts")) == kept.counts("locate").done >= 8
    left = any(stage.state == "running" for stage in kept.manifest.stages.values())
    resumed = run(*commands.locate(out))
    assert resumed.code == 0
    assert not left or "was killed; what it finished is kept" in resumed.err
    assert once_each(out, "locate")
    assert once_each(out, "test_knowledge")

    process = start(*commands.degenerate(out))
    wait_for(out, generator.randint(1, 4), "degenerate")
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait().code == -signal.SIGKILL
    process = start(*commands.degenerate(out))
    wait_for(out, generator.randint(1, 4), "test_degenerate")
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait().code == -signal.SIGKILL
    assert run(*commands.degenerate(out)).code == 0
    assert once_each(out, "degenerate")
    assert once_each(out, "test_degenerate")
    assert verify(fn.Run.open(out)) == []
    same_tables(out, finished)


@pytest.mark.trial("signal")
@pytest.mark.parametrize(
    ("number", "code", "count", "stage"),
    [(signal.SIGINT, 130, 1, "locate"), (signal.SIGTERM, 143, 6, "test_knowledge"), (signal.SIGINT, 130, 7, "")],
)
def test_asked_to_stop(
    number, code, count, stage, commands, tmp_path, start, run, finished, same_tables, record_property
):
    out = tmp_path / "run"
    process = start(*commands.locate(out))
    wait_for(out, count)
    asked = time.monotonic()
    os.kill(process.pid, number)
    stopped = process.wait()
    took = time.monotonic() - asked
    assert took < 10, "what kills a job that was asked to stop does not wait longer"
    record_property("note", f"{code} after {took:.1f} s")
    assert stopped.code == code
    assert stopped.error == f"error: stopped: everything finished is kept in {out}; run the same command again to go on"
    kept = fn.Run.open(out)
    assert verify(kept) == []
    assert kept.manifest.stages[stage or "test_knowledge"].state == "interrupted"
    assert all(names % 8 == 0 for names in [sum(1 for _ in kept.fact_names("locate"))])  # whole batches
    resumed = run(*commands.locate(out))
    assert resumed.code == 0
    assert "killed" not in resumed.err
    assert run(*commands.degenerate(out)).code == 0
    same_tables(out, finished)


@pytest.mark.trial("signal")
def test_degenerate_is_asked_to_stop(commands, tmp_path, start, run, finished, same_tables):
    out = tmp_path / "run"
    assert run(*commands.locate(out)).code == 0
    process = start(*commands.degenerate(out))
    wait_for(out, 1, "degenerate")
    os.kill(process.pid, signal.SIGINT)
    stopped = process.wait()
    assert stopped.code == 130
    assert stopped.error.endswith("run the same command again to go on")
    resumed = run(*commands.degenerate(out))
    assert resumed.code == 0
    same_tables(out, finished)


def test_degenerate_after_a_locate_that_was_stopped(commands, tmp_path, start, run):
    out = tmp_path / "run"
    process = start(*commands.locate(out))
    wait_for(out, 1)
    os.kill(process.pid, signal.SIGINT)
    assert process.wait().code == 130
    found = run(*commands.degenerate(out))
    assert found.code == 0
    assert "note: locate did not come to its end here; only the" in found.err
    assert run("report", out).code == 0


@pytest.mark.trial("two commands")
def test_two_writers_share_the_work(commands, tmp_path, start, run):
    out = tmp_path / "run"
    process = start(*commands.locate(out))
    wait_for(out, 1)
    second = run(*commands.locate(out))
    assert second.code == 0, second
    assert process.wait().code == 0
    facts = fn.Run.open(out).table("facts")
    assert len(facts) == facts["fact_id"].nunique() == 40
    assert run("verify", out).code == 0


def test_ctrl_c_before_anything_is_located(commands, tmp_path, run, monkeypatch):
    def load_model(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("factneurons.load_model", load_model)
    stopped = run(*commands.locate(tmp_path / "run"))
    assert (stopped.code, stopped.error) == (130, "error: stopped")
    assert not (tmp_path / "run").exists()
