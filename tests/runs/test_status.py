"""How far a run is, told from its folder alone."""

import json
import os
import signal
import time

import pytest

from factneurons.errors import BadRun
from factneurons.runs import workers
from factneurons.runs.command import made_by
from factneurons.runs.status import run_status, start_to_join
from factneurons.runs.store import Run


def test_a_run_at_work_says_who_does_what_how_fast(tmp_path, small):
    facts = small.make_facts(20)
    with Run.create_or_resume(tmp_path / "run", small.make_manifest(), small.STAGE) as run:
        made = small.work(facts[:8])
        run.commit(small.STAGE, facts[:8], made.rows, made.skips, 1)
        run.say(done=8, seconds=4.0, total=20)
        run._share._worker.say()
        with run.lease(small.STAGE, "abc"):
            found = run_status(tmp_path / "run")
    (stage,), (worker,) = found.stages, found.workers
    assert (stage.name, stage.state, stage.done, stage.skipped) == (small.STAGE, "running", 6, {"blank inside": 2})
    assert (stage.total, stage.facts_per_second, stage.seconds_left) == (20, 2.0, 6.0)
    assert (worker.alive, worker.stage, worker.batches, worker.done) == (True, small.STAGE, 1, 8)
    assert run_status(run).workers == ()


def test_a_killed_worker_is_dead_and_gives_no_pace(tmp_path, small, start_script):
    holder = start_script("hold", tmp_path / "run")
    assert holder.stdout.readline() == "open\n"
    assert [each.alive for each in run_status(tmp_path / "run").workers] == [True]
    holder.kill()
    holder.wait()
    (worker,) = run_status(tmp_path / "run").workers
    assert (worker.process, worker.alive) == (holder.pid, False)


def test_a_frozen_worker_is_told_from_one_that_works_and_is_given_up_after_a_minute(
    tmp_path, small, start_script, monkeypatch
):
    holder = start_script("hold", tmp_path / "run")
    assert holder.stdout.readline() == "open\n"
    (worker,) = run_status(tmp_path / "run").workers
    assert worker.alive
    assert worker.silent < 2 * workers.BEAT
    os.kill(holder.pid, signal.SIGSTOP)
    real = time.monotonic
    for later, alive in ((30, True), (workers.PATIENCE, False)):
        monkeypatch.setattr(time, "monotonic", lambda later=later: real() + later)
        (worker,) = run_status(tmp_path / "run").workers
        assert (worker.process, worker.alive) == (holder.pid, alive)
        assert later <= worker.silent < later + 20
    holder.kill()
    holder.wait()
    (worker,) = run_status(tmp_path / "run").workers
    assert (worker.alive, worker.silent) == (False, None)


def test_a_silent_worker_of_another_machine_is_waited_for_and_given_up(tmp_path, small, monkeypatch):
    monkeypatch.setattr(workers, "BEAT", 0.05)
    small.write_run(tmp_path / "run", 8)
    says = {"pid": 1, "host": "far", "place": "another", "since": "2001-01-01T00:00:00+00:00", "version": "1"}
    (tmp_path / "run" / "workers" / "far").write_text(json.dumps(says))
    (worker,) = run_status(tmp_path / "run").workers
    assert (worker.host, worker.alive, worker.silent) == ("far", False, None)


def test_the_command_to_join_is_that_of_the_stage_that_is_not_done(tmp_path, small):
    with made_by(["locate", "x"]):
        first = small.make_manifest(settings={"a": 1})
    with made_by(["degenerate", "x"]):
        second = small.make_manifest("degenerate", settings={"a": 1})
    with Run.create_or_resume(tmp_path / "run", first, small.STAGE) as run:
        assert start_to_join(run).arguments == ("locate", "x")
        run.set_state(small.STAGE, "done")
        assert start_to_join(run).arguments == ("locate", "x")  # whoever lives may begin the next stage
    assert start_to_join(Run.open(tmp_path / "run")) is None
    with Run.create_or_resume(tmp_path / "run", second, "degenerate") as run:
        assert start_to_join(run).arguments == ("degenerate", "x")
    small.write_run(tmp_path / "python", 8)
    python = Run.create_or_resume(tmp_path / "python", small.make_manifest(), small.STAGE)
    with python, pytest.raises(BadRun, match="begun from Python"):
        start_to_join(python)
