"""A disk that lets two have one name is refused before anything is written; an honest one is left as it was."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from factneurons.errors import BadRun
from factneurons.runs.probe import check_disk
from factneurons.runs.store import Run


def test_this_disk_will_do_and_nothing_is_left_on_it(tmp_path):
    (tmp_path / "unfinished").mkdir()
    check_disk(tmp_path, "worker")
    assert list((tmp_path / "unfinished").iterdir()) == []


def test_a_rename_that_replaces_folders_is_one_line(tmp_path, small, monkeypatch):
    def replace(one, other):
        shutil.rmtree(other, ignore_errors=True)
        shutil.move(one, other)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(BadRun, match=r"on this disk a folder can be renamed onto one that holds files.*put the run on"):
        Run.create_or_resume(tmp_path / "run", small.make_manifest(), small.STAGE)
    assert not (tmp_path / "run" / "manifest.json").exists()
    assert list((tmp_path / "run" / "unfinished").iterdir()) == list((tmp_path / "run" / "workers").iterdir()) == []


def test_creation_that_is_not_exclusive_is_one_line(tmp_path, small, monkeypatch):
    touch = Path.touch
    monkeypatch.setattr(Path, "touch", lambda path, *, exist_ok=True: touch(path))
    with pytest.raises(BadRun, match="on this disk a file that is there can be created anew"):
        Run.create_or_resume(tmp_path / "run", small.make_manifest(), small.STAGE)
