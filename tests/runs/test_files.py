"""Files appear whole: flushed before they are renamed, and never half when the disk is full."""

import errno
import json
import os
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factneurons.errors import BadRun, FactneuronsError
from factneurons.runs.files import FolderLock, sealed, sha256_of, unsealed
from factneurons.runs.store import Run
from factneurons.runs.verify import verify

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
CONTENT = st.dictionaries(st.sampled_from("abc"), VALUES)


def test_everything_is_flushed_before_it_gets_its_name_and_the_folder_after(tmp_path, small, monkeypatch):
    """What a power cut needs: fsync of each file, fsync of their folder, rename, fsync of the folder above."""
    events = []
    real = {name: getattr(os, name) for name in ("fsync", "replace", "open")}

    def fsync(descriptor):
        events.append(("fsync", os.readlink(f"/proc/self/fd/{descriptor}")))
        real["fsync"](descriptor)

    def replace(source, target):
        events.append(("rename", str(source), str(target)))
        real["replace"](source, target)

    with Run.create_or_resume(tmp_path / "run", small.make_manifest(), small.STAGE) as run:
        monkeypatch.setattr(os, "fsync", fsync)
        monkeypatch.setattr(os, "replace", replace)
        batch = small.work(small.make_facts(12))
        run.commit(small.STAGE, small.make_facts(12), batch.rows, batch.skips)
    (final,) = (tmp_path / "run" / "parts").iterdir()
    (scratch,) = {Path(path).parent for kind, path, *_ in events if "unfinished" in path and path.endswith(".parquet")}
    files = {str(scratch / name.name) for name in final.iterdir()}
    assert len(files) == 4
    assert {path for kind, path, *_ in events[: len(files)] if kind == "fsync"} == files
    assert events[len(files) :] == [
        ("fsync", str(scratch)),
        ("rename", str(scratch), str(final)),
        ("fsync", str(final.parent)),
    ]


def full_disk(monkeypatch, first_refused, number):
    """From its `first_refused`-th write, flush, rename or new folder on, the disk has no space left."""
    steps = count()

    def refuse():
        if next(steps) >= first_refused:
            raise OSError(number, os.strerror(number))

    def guarded(function):
        def wrapped(*arguments, **options):
            refuse()
            return function(*arguments, **options)

        return wrapped

    class Full:
        def __init__(self, file):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def __getattr__(self, name):
            return getattr(self.file, name)

        def write(self, data):
            self.file.write(data[: len(data) // 2])
            refuse()
            self.file.write(data[len(data) // 2 :])

    real_open = Path.open
    monkeypatch.setattr(os, "fsync", guarded(lambda _: None))
    monkeypatch.setattr(os, "replace", guarded(os.replace))
    monkeypatch.setattr(Path, "mkdir", guarded(Path.mkdir))
    monkeypatch.setattr(
        Path,
        "open",
        lambda path, mode="r", **more: Full(real_open(path, mode)) if mode == "xb" else real_open(path, mode, **more),
    )


def complaint(function, *arguments):
    try:
        function(*arguments)
    except FactneuronsError as error:
        return str(error)
    return ""


@pytest.mark.trial("disk full in a write")
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_one_line_and_costs_nothing_that_was_finished(tmp_path, small, monkeypatch, number):
    small.write_run(tmp_path / "whole", 12, 6)
    whole = small.snapshot(tmp_path / "whole")
    kept = []
    for step in range(0, 1000, 3):
        folder = tmp_path / f"{step}"
        with monkeypatch.context() as patch:
            full_disk(patch, step, number)
            message = complaint(small.write_run, folder, 12, 6)
        if not message:
            break
        assert message.startswith(f"no space left for {folder}: everything finished before is kept")
        assert "\n" not in message
        if (folder / "manifest.json").exists():
            run = Run.open(folder)
            assert verify(run) == []
            assert list((folder / "unfinished").iterdir()) == []
            kept.append(run.counts(small.STAGE).read)
        small.write_run(folder, 12, 6)
        assert small.snapshot(folder) == whole
    assert set(kept) == {0, 6, 12}
    assert kept == sorted(kept)
    assert step > 20


def test_another_refusal_of_the_disk_is_one_line_too(tmp_path, small, monkeypatch):
    full_disk(monkeypatch, 0, errno.EROFS)
    with pytest.raises(BadRun, match="run: cannot be written: Read-only file system"):
        small.write_run(tmp_path / "run")


@pytest.mark.trial("two commands")
def test_a_lock_is_held_once_and_given_back(tmp_path):
    first = FolderLock(tmp_path / "lock")
    with pytest.raises(BadRun, match=f"is being written by process {os.getpid()} on .*: wait for it"):
        FolderLock(tmp_path / "lock")
    first.release()
    first.release()
    with FolderLock(tmp_path / "lock") as second:
        assert second.left_by == ""


@pytest.mark.parametrize("text", [b"", b"{}", b"nonsense", b"[1]"])
def test_a_lock_file_with_anything_in_it_can_be_taken(tmp_path, text):
    (tmp_path / "lock").write_bytes(text)
    FolderLock(tmp_path / "lock").release()


def test_a_file_system_without_locks_is_named(tmp_path, monkeypatch):
    import fcntl

    def flock(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(BadRun, match="no file locks here"):
        FolderLock(tmp_path / "lock")


def test_sha256_of_files_and_folders(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"abc")
    assert sha256_of(tmp_path / "a.txt") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    before = sha256_of(tmp_path)
    (tmp_path / "sub").mkdir()
    assert sha256_of(tmp_path) == before
    (tmp_path / "sub" / "b.txt").write_bytes(b"abc")
    after = sha256_of(tmp_path)
    (tmp_path / "sub" / "b.txt").rename(tmp_path / "sub" / "c.txt")
    assert len({before, after, sha256_of(tmp_path)}) == 3
    with pytest.raises(FactneuronsError, match=r"missing\.txt: cannot be read: No such file"):
        sha256_of(tmp_path / "missing.txt")


@given(content=CONTENT)
def test_what_is_sealed_comes_back_whatever_its_order(content):
    data = json.dumps(sealed(content))
    assert unsealed(data.encode()) == content
    turned = dict(reversed(json.loads(data).items()))
    assert unsealed(json.dumps(turned, indent=3).encode()) == content


@given(content=CONTENT, name=st.sampled_from("abcd"), value=VALUES)
def test_a_changed_value_breaks_the_seal(content, name, value):
    data = sealed(content)
    if name in content and json.dumps(content[name], sort_keys=True) == json.dumps(value, sort_keys=True):
        return
    assert unsealed(json.dumps({**data, name: value}).encode()) is None


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"3", b"{}", b"\xff"])
def test_what_has_no_seal_is_damaged(data):
    assert unsealed(data) is None
