"""Whole commands on real disks that are full or over a quota: mounted here, or skipped with a reason."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import factneurons as fn
from factneurons.runs.verify import verify

DISK = 64 * 2**20
SPARE = 16 * 2**10  # what the file system itself may need for a folder


def system(*command: object) -> None:
    """Run a command of the system's; where it is not there, or not allowed, the test is skipped."""
    if shutil.which(str(command[0])) is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run([str(each) for each in command], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{command[0]} cannot be used here: {(done.stderr.strip() or 'no reason').splitlines()[0]}")


def mounted(folder: Path, *command: object) -> Iterator[Path]:
    folder.mkdir()
    system(*command, folder)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


class Tmpfs:
    """A disk in memory; what is to be missing is taken by a file."""

    says = "No space left on device"

    def __init__(self, folder: Path) -> None:
        self.folder, self._filler = folder, folder / "filler"

    def leave(self, room: int | None) -> None:
        self._filler.unlink(missing_ok=True)
        if room is not None:
            disk = os.statvfs(self.folder)
            with self._filler.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, max(1, disk.f_bavail * disk.f_frsize - room))


class Quota:
    """A subvolume of btrfs with a limit, which holds for root as well."""

    says = "Disk quota exceeded"

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "limited"
        system("btrfs", "quota", "enable", folder)
        system("btrfs", "subvolume", "create", self.folder)

    def leave(self, room: int | None) -> None:
        os.sync()
        used = sum(each.stat().st_blocks * 512 for each in self.folder.rglob("*"))
        limit = "none" if room is None else max(room + used, 64 * 2**10)
        system("btrfs", "qgroup", "limit", limit, self.folder)


@pytest.fixture(params=["tmpfs", "quota"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Tmpfs | Quota]:
    """A disk that has as much room as is left to it: disk.leave(bytes), or None for enough."""
    place = tmp_path / "mounted"
    if request.param == "tmpfs":
        yield from map(Tmpfs, mounted(place, "mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs"))
        return
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(256 * 2**20)
    system("mkfs.btrfs", "-q", image)
    yield from map(Quota, mounted(place, "mount", "-o", "loop", image))


@pytest.mark.trial("disk really full")
def test_a_disk_that_is_really_full(disk, commands, tmp_path, run, same_tables, trial):
    """Of the whole job, with less and less of the room that it takes: what is finished is kept, and it goes on."""
    jobs = (lambda out: commands.locate(out, "--limit", 12), commands.degenerate, lambda out: ("report", out))
    jobs = jobs if trial.times > 2 else jobs[::2]  # the search takes too long for the suite
    for job in jobs:
        assert run(*job(tmp_path / "whole")).code == 0
    takes = sum(path.stat().st_size for path in (tmp_path / "whole").rglob("*"))
    kept, refused = set(), 0
    for turn, room in enumerate(np.linspace(0, 0.9 * takes, trial.times, dtype=int).tolist()):
        out = disk.folder / f"{turn}"
        disk.leave(room)
        for job in jobs:
            done = run(*job(out))
            if done.code:
                line = done.refused()
                assert "no space left" in line or "is not a run" in line or "does not exist" in line, line
                refused += 1
                break
        else:
            pytest.fail(f"{room} of {takes} bytes were enough")
        if (out / "manifest.json").exists():
            assert verify(fn.Run.open(out)) == []
            kept.add(sum(1 for _ in fn.Run.open(out).fact_names("locate")))
        disk.leave(None)
        for job in jobs:
            assert run(*job(out)).code == 0
        same_tables(out, tmp_path / "whole")
        assert verify(fn.Run.open(out)) == []
        shutil.rmtree(out)
    assert refused == trial.times
    trial.note(f"{type(disk).__name__.lower()}: between {min(kept)} and {max(kept)} facts were kept")
