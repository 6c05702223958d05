"""A worker lives while its file changes, whatever any clock says, and is gone at once when its lock is free."""

from __future__ import annotations

import json
import os
import time

import pytest

from factneurons.runs import workers
from factneurons.runs.commits import UNFINISHED
from factneurons.runs.leases import LEASES, Leases
from factneurons.runs.workers import PATIENCE, WORKERS, Worker, Workers


@pytest.fixture
def folder(tmp_path):
    (tmp_path / WORKERS).mkdir()
    return tmp_path


def test_elsewhere_a_worker_lives_while_its_file_changes(folder):
    moment = [1e9]
    workers = Workers(folder, clock=lambda: moment[0])
    path = folder / WORKERS / "far-1"
    for beat in range(5):  # its own clock is years away, and nobody looks at it
        path.write_text(json.dumps({"place": "another", "locked": True, "since": "1970-01-01", "beat": beat}))
        moment[0] += PATIENCE - 1
        assert workers.lives("far-1")
    moment[0] += PATIENCE - 1
    assert workers.lives("far-1")
    moment[0] += 1
    assert not workers.lives("far-1")
    path.write_text("half a fi")  # it wakes up
    assert workers.lives("far-1")
    path.unlink()
    assert workers.lives("far-1")
    moment[0] += PATIENCE
    assert not workers.lives("far-1")


def test_here_a_free_lock_says_that_a_worker_was_killed(folder):
    worker, workers = Worker(folder), Workers(folder)
    (sign,) = workers
    assert sign.name == worker.name
    assert f"process {sign.says['pid']} on" in str(sign)
    assert workers.lives(worker.name)
    assert not workers.killed(worker.name)
    left = (folder / WORKERS / worker.name).read_bytes()
    worker.leave()
    worker.leave()
    assert list(workers) == []
    (folder / WORKERS / worker.name).write_bytes(left)
    assert workers.killed(worker.name)
    assert not workers.lives(worker.name)
    assert not workers.beats(worker.name)


def test_a_lock_is_believed_on_the_mount_where_it_was_taken_only(folder):
    """Two mounts of one folder, as of two containers of a machine, may each keep locks of their own."""
    worker, seen = Worker(folder), Workers(folder)
    path = folder / WORKERS / worker.name
    says = json.loads(path.read_bytes())
    worker.leave()
    path.write_text(json.dumps({**says, "place": f"{says['place']}0"}))
    assert not seen.killed(worker.name)
    assert seen.lives(worker.name)
    path.write_text(json.dumps(says))
    assert seen.killed(worker.name)


@pytest.mark.parametrize("hours", [-30_000, -7, 7, 30_000])
def test_a_clock_that_is_hours_off_takes_nothing_from_anybody(folder, monkeypatch, hours):
    """Its word for the time, and the times of its files on a server, are another day's; leases pass as they should."""
    for name in (LEASES, UNFINISHED):
        (folder / name).mkdir()
    moment, real = [0.0], time.time
    with monkeypatch.context() as there:
        there.setattr(time, "time", lambda: real() + 3600 * hours)
        there.setattr(workers, "now", lambda: "1999-12-31T23:59:59+00:00")
        far = Worker(folder)
    far._says["place"] = "another machine"
    far.say()
    theirs = Leases(folder, far.name, Workers(folder)).take("locate-1")
    for path in (folder / WORKERS / far.name, folder / LEASES / "locate-1.1"):
        os.utime(path, (max(0, real() + 3600 * hours),) * 2)
    own = Leases(folder, "near", Workers(folder, clock=lambda: moment[0]))
    assert own.take("locate-1") is None
    moment[0] += PATIENCE - 1
    assert own.take("locate-1") is None
    assert theirs.held()
    far.leave()
    assert own.take("locate-1") is None
    moment[0] += PATIENCE
    assert own.take("locate-1") is not None
    assert not theirs.held()
