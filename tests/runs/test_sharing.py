"""Several processes on one run: the same tables, whoever is killed or frozen; who does not fit in is refused."""

from __future__ import annotations

import json
import signal
import time

import pytest

from factneurons.errors import BadRun
from factneurons.runs import workers
from factneurons.runs.store import Run
from factneurons.runs.verify import verify


def wait_for(condition):
    for _ in range(3000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it did not come to that")


@pytest.mark.parametrize("harm", [None, signal.SIGKILL, signal.SIGSTOP])
def test_two_workers_make_the_tables_of_one(tmp_path, small, start_script, harm):
    small.write_run(tmp_path / "one", 80)
    folder = tmp_path / "two"
    first, second = start_script("share", folder), start_script("share", folder)  # each begins when both are there
    wait_for(lambda: (folder / "parts").is_dir() and len(list((folder / "parts").iterdir())) > 1)
    if harm:
        first.send_signal(harm)
    (done,) = json.loads(second.communicate(timeout=60)[0])
    assert done == "done"
    if harm is signal.SIGSTOP:
        first.send_signal(signal.SIGCONT)  # what it was at is there already, and counts once
    if harm is not signal.SIGKILL:
        assert json.loads(first.communicate(timeout=60)[0]) == ["done"]
    assert small.snapshot(folder) == small.snapshot(tmp_path / "one")
    run = Run.open(folder)
    assert [row["fact_id"] for row in run.rows("facts")] == [
        row["fact_id"] for row in Run.open(tmp_path / "one").rows("facts")
    ]
    assert verify(run) == []


def test_a_worker_of_another_version_is_refused(tmp_path, small, monkeypatch):
    with Run.create_or_resume(tmp_path / "run", small.make_manifest(), small.STAGE):
        monkeypatch.setattr(workers, "version", lambda _: "0.0.1")
        with pytest.raises(BadRun, match=r"is being worked on by process .* this is 0\.0\.1: use one version"):
            Run.create_or_resume(tmp_path / "run", small.make_manifest(), small.STAGE)
    assert list((tmp_path / "run" / "workers").iterdir()) == []


def test_leases_that_cannot_be_written_are_one_line(tmp_path, small, monkeypatch):
    small.write_run(tmp_path / "run", 8)
    (tmp_path / "run" / "leases").rmdir()
    (tmp_path / "run" / "leases").write_text("no folder")
    with pytest.raises(BadRun, match="cannot be written"):
        small.write_run(tmp_path / "run", 12)
