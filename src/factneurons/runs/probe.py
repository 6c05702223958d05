"""Whether a disk can do what workers of one run rely on: asked once, where a process begins to write."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from factneurons.errors import BadRun
from factneurons.runs.commits import UNFINISHED


def check_disk(folder: Path, worker: str) -> None:
    """Refuse a disk on which two workers could both have a batch, or keep its results twice.

    That a rename is done at once cannot be seen from one process.

    Raises:
        BadRun: a file or folder that is there can be made, or taken the place of, once more.
        OSError: the folder cannot be written.
    """
    one, other = (folder / UNFINISHED / f"{worker}.{what}" for what in ("probe1", "probe2"))
    try:
        for each in (one, other):
            os.mkdir(each)
            (each / "file").touch(exist_ok=False)
        _must_fail(folder, lambda: (one / "file").touch(exist_ok=False), "a file that is there can be created anew")
        _must_fail(folder, lambda: os.replace(one, other), "a folder can be renamed onto one that holds files")
    finally:
        for each in (one, other):
            shutil.rmtree(each, ignore_errors=True)


def _must_fail(folder: Path, attempt: Callable[[], None], fault: str) -> None:
    try:
        attempt()
    except OSError:
        return
    raise BadRun(f"{folder}: on this disk {fault}, so results could count twice: put the run on a local disk or NFS")
