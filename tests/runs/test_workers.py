"""A worker lives while its file changes, whatever any clock says, and is gone at once when its lock is free."""

from __future__ import annotations

import json

import pytest

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
        path.write_text(json.dumps({"boot": "another", "locked": True, "since": "1970-01-01", "beat": beat}))
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
