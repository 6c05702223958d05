"""Several processes on one run: the same tables, whoever is killed or frozen; who does not fit in is refused."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from factneurons.errors import BadRun, FactneuronsError, OutOfMemory
from factneurons.runs import workers
from factneurons.runs.drive import drive
from factneurons.runs.store import Run
from factneurons.runs.verify import verify


def test_two_workers_make_the_tables_of_one(tmp_path, small, start_script):
    small.write_run(tmp_path / "one", 80)
    folder = tmp_path / "two"
    first, second = start_script("share", folder), start_script("share", folder)  # each begins when both are there
    for worker in (first, second):
        assert json.loads(worker.communicate(timeout=60)[0]) == ["done"]
    assert small.snapshot(folder) == small.snapshot(tmp_path / "one")
    run = Run.open(folder)
    assert [row["fact_id"] for row in run.rows("facts")] == [
        row["fact_id"] for row in Run.open(tmp_path / "one").rows("facts")
    ]
    assert verify(run) == []


def same_facts(small, folder, alone, number):
    small.write_run(alone, number)
    assert small.snapshot(folder) == small.snapshot(alone)
    names = [(fact.fact_id, fact.language) for fact in Run.open(folder).fact_names(small.STAGE)]
    assert len(names) == len(set(names)) == number
    assert verify(Run.open(folder)) == []


@pytest.mark.trial("dead workers")
def test_killed_and_frozen_workers_lose_and_double_nothing(tmp_path, small, start_script, trial):
    """What a frozen worker was at is there already when it wakes, and counts once."""
    report = json.loads(start_script("harm", tmp_path / "run", trial.times, trial.seed).communicate(timeout=300)[0])
    assert report["state"] == "done"
    assert set(report["statuses"]) == {0}
    assert report["too late"] == 0, "a worker was done before it was killed"
    trial.note(f"{trial.times - trial.times // 2} killed, {trial.times // 2} frozen, {report['number']} facts")
    same_facts(small, tmp_path / "run", tmp_path / "one", report["number"])


@pytest.fixture
def two_mounts(tmp_path):
    """A folder that holds another one twice, over SFTP, as two machines see it, without caches (docs/workers.md)."""
    server = next(filter(None, map(shutil.which, ("/usr/lib/openssh/sftp-server", "/usr/libexec/sftp-server"))), None)
    if shutil.which("sshfs") is None or server is None:
        pytest.skip("sshfs and an SFTP server are not installed")
    there, here, caller = tmp_path / "there", tmp_path / "here", tmp_path / "call"
    caller.write_text(f"#!/bin/sh\nexec {server}\n")
    caller.chmod(0o755)
    there.mkdir()
    options = f"ssh_command={caller},dir_cache=no,attr_timeout=0,entry_timeout=0"
    mounted = []
    try:
        for place in (here / "1", here / "2"):
            place.mkdir(parents=True)
            done = subprocess.run(
                ["sshfs", "-o", options, f"x:{there}", place], capture_output=True, text=True, check=False
            )
            if done.returncode:
                pytest.skip(f"sshfs cannot mount here: {done.stderr.strip()}")
            mounted.append(place)
        yield here
    finally:
        for place in mounted:
            subprocess.run(["umount", "--lazy", place], check=True)


@pytest.mark.trial("network folder")
def test_workers_through_two_mounts_lose_and_double_nothing(two_mounts, tmp_path, small, start_script, trial):
    """They see no lock of each other's: what tells that the others live is the server's files alone."""
    arguments = ("mounts", two_mounts, trial.times, trial.seed)
    report = json.loads(start_script(*arguments).communicate(timeout=300)[0])
    assert report["state"] == "done"
    assert set(report["statuses"]) == {0}
    trial.note(f"{trial.times - trial.times // 2} killed, {trial.times // 2} frozen, {report['number']} facts")
    same_facts(small, two_mounts / "1" / "run", tmp_path / "one", report["number"])
    assert small.snapshot(two_mounts / "2" / "run") == small.snapshot(tmp_path / "there" / "run")


@pytest.mark.trial("worker counts")
def test_other_numbers_of_workers_make_the_same_tables(tmp_path, small, start_script):
    statuses = json.loads(start_script("counts", tmp_path / "run", 0).communicate(timeout=300)[0])
    assert statuses[0] == [1]  # stopped in the middle
    assert 1 in statuses[1]
    assert statuses[2] == [0, 0]
    same_facts(small, tmp_path / "run", tmp_path / "one", 200)


def test_old_lists_of_folders_take_nothing_from_those_who_are_there(tmp_path, small, monkeypatch):
    """A network may show who and what was there some time ago: what is asked by name counts."""
    folder = tmp_path / "run"
    small.write_run(folder, 8)
    with Run.create_or_resume(folder, small.make_manifest(), small.STAGE) as first:
        half = folder / "unfinished" / f"{first._share.name}.000009"
        half.mkdir()
        old = {folder: [folder / "parts"], folder / "workers": []}
        real = Path.iterdir
        monkeypatch.setattr(Path, "iterdir", lambda path: iter(old[path]) if path in old else real(path))
        small.write_run(folder, 16)
        assert half.is_dir()
        half.rmdir()
    assert Run.open(folder).counts(small.STAGE).read == 16


def test_a_worker_of_another_version_is_refused(tmp_path, small, monkeypatch):
    with Run.create_or_resume(tmp_path / "run", small.make_manifest(), small.STAGE):
        monkeypatch.setattr(workers, "version", lambda _: "0.0.1")
        with pytest.raises(BadRun, match=r"is being worked on by process .* this is 0\.0\.1: use one version"):
            Run.create_or_resume(tmp_path / "run", small.make_manifest(), small.STAGE)
    assert list((tmp_path / "run" / "workers").iterdir()) == []


def test_a_worker_with_other_settings_or_another_extent_is_refused_while_others_work(tmp_path, small):
    with Run.create_or_resume(tmp_path / "run", small.make_manifest(extent={"limit": 10}), small.STAGE) as run:
        other = small.make_manifest(settings={"method": "amig", "threshold": 0.3}, extent={"limit": 10})
        with pytest.raises(BadRun, match=r"locate\.settings\.threshold was 0\.2, is 0\.3 now"):
            Run.create_or_resume(tmp_path / "run", other, small.STAGE)
        with pytest.raises(BadRun, match=r"worked on by process .* with limit 10, this is with limit 20: use the same"):
            Run.create_or_resume(tmp_path / "run", small.make_manifest(extent={"limit": 20}), small.STAGE)
        assert [sign.says["pid"] for sign in workers.Workers(run.folder)] == [os.getpid()]
        drive(run, small.STAGE, small.make_facts(10), small.work, batch_size=4)
    small.write_run(tmp_path / "one", 10)
    assert small.snapshot(tmp_path / "run") == small.snapshot(tmp_path / "one")


def together(small, folder, number, work, **options):
    """Two workers, as threads, that both have begun before either goes on; what each ended with."""
    meet = threading.Barrier(2)

    def one():
        with Run.create_or_resume(folder, small.make_manifest(), small.STAGE) as run:
            meet.wait()
            try:
                drive(run, small.STAGE, small.make_facts(number), work, batch_size=4, **options)
            except FactneuronsError as error:
                return str(error)
            return ""

    with ThreadPoolExecutor(2) as pool:
        return [each.result() for each in [pool.submit(one) for _ in range(2)]]


def test_a_fact_that_no_worker_has_memory_for_costs_nobody_else_anything(tmp_path, small):
    bad = small.make_facts(80)[42]

    def work(facts):
        if bad in facts:
            raise OutOfMemory(f"fact {bad.id!r}: not enough memory")
        return small.work(facts)

    told = together(small, tmp_path / "run", 80, work)
    assert any("not enough memory" in each for each in told)
    kept = set(Run.open(tmp_path / "run").done(small.STAGE))
    assert bad.key not in kept
    assert together(small, tmp_path / "run", 80, work, skip_bad=True) == ["", ""]
    run = Run.open(tmp_path / "run")
    counts = run.counts(small.STAGE)
    assert (counts.read, counts.skipped["out-of-memory"]) == (80, 1)
    assert kept < run.done(small.STAGE)
    small.write_run(tmp_path / "one", 80, work=work, skip_bad=True)
    assert small.snapshot(tmp_path / "run") == small.snapshot(tmp_path / "one")
    assert verify(run) == []


def test_without_hard_links_two_workers_still_share(tmp_path, small, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    seen = []

    def work(facts):
        seen.extend(fact.key for fact in facts)
        time.sleep(0.005)
        return small.work(facts)

    assert together(small, tmp_path / "run", 80, work) == ["", ""]
    assert len(seen) == len(set(seen)) == 80
    same_facts(small, tmp_path / "run", tmp_path / "one", 80)


def test_leases_that_cannot_be_written_are_one_line(tmp_path, small, monkeypatch):
    small.write_run(tmp_path / "run", 8)
    (tmp_path / "run" / "leases").rmdir()
    (tmp_path / "run" / "leases").write_text("no folder")
    with pytest.raises(BadRun, match="cannot be written"):
        small.write_run(tmp_path / "run", 12)
