"""Writing that a crash cannot tear, seals, and the lock that keeps a second writer out of a run's folder.

Every file is written under a name that no reader looks at, flushed to the disk, and then renamed; so a
reader finds the old file, the new file or none, whenever the writer was killed. A sealed file carries a hash of
itself, so that a change by hand or by a bad disk is noticed.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from factneurons.errors import BadRun, FactneuronsError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_NO_FOLDER_SYNC = (errno.EINVAL, errno.ENOTSUP)
_SEAL = "sha256_of_this"


def now() -> str:
    """The time in UTC, to the second, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def write_new(path: Path, data: bytes) -> None:
    """Write a file that does not exist yet, and see it on the disk."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """See a folder's names (after a rename) on the disk, where the file system knows how."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(descriptor)


def replace_file(path: Path, data: bytes, temporary: Path | None = None) -> None:
    """Put a file in the place of `path` by one rename, so that a reader never sees half of it.

    Args:
        path: the file.
        data: its bytes.
        temporary: the file of the same disk that they are written in first; None: a hidden one beside the file.
    """
    temporary = temporary or path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    try:
        write_new(temporary, data)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def sha256_of(path: Path | str) -> str:
    """SHA-256 of a file, in hex; of a folder: over the names and hashes of the files in it, sorted by name.

    Raises:
        FactneuronsError: it cannot be read.
    """
    path = Path(path)
    try:
        if not path.is_dir():
            with path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        digest = hashlib.sha256()
        for inner in sorted(item for item in path.rglob("*") if item.is_file()):
            digest.update(json.dumps([inner.relative_to(path).as_posix(), sha256_of(inner)]).encode())
        return digest.hexdigest()
    except OSError as error:
        raise FactneuronsError(f"{path}: cannot be read: {error.strerror}") from error


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content with its hash in it."""
    return {**content, _SEAL: _hash_of(content)}


def unsealed(data: bytes) -> dict[str, Any] | None:
    """The content without its hash, or None if the data are damaged or were changed."""
    try:
        content = json.loads(data)
        seal = content.pop(_SEAL)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return content if seal == _hash_of(content) else None


def check_form(value: object, form: Any, where: str = "") -> None:
    """Refuse JSON that has not the kinds of values that are read from it: a seal finds damage, and no forger.

    Args:
        value: what was read.
        form: a type; {name: form} of an object that has these; [form] of a list or object of such, (form,) of at
            least one.
        where: the names down to it, for the message.

    Raises:
        ValueError: another kind of value; its place is named.
    """
    kind = dict if isinstance(form, dict) else (list, dict) if isinstance(form, (list, tuple)) else form
    if not isinstance(value, kind) or (isinstance(form, tuple) and not value):
        raise ValueError(f"{where or 'it'} is {type(value).__name__}")
    if isinstance(form, dict):
        for name, inner in form.items():
            check_form(value[name], inner, f"{where}.{name}".lstrip("."))
    elif isinstance(form, (list, tuple)):
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            check_form(inner, form[0], f"{where}.{name}".lstrip("."))


def _hash_of(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@contextmanager
def disk_errors_in_one_line(folder: Path) -> Iterator[None]:
    """Turn what the disk refuses inside into one clear line.

    Raises:
        FactneuronsError: no space is left.
        BadRun: anything else: no permission, a read-only disk.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise FactneuronsError(
                f"no space left for {folder}: everything finished before is kept;"
                " make room and run the same command again"
            ) from error
        raise BadRun(f"{folder}: cannot be written: {error.strerror or error}") from error


def try_lock(file: IO[bytes]) -> bool:
    """Lock an open file until it is closed, or say that another process has it.

    Raises:
        OSError: the file system knows no locks.
    """
    try:
        if sys.platform == "win32":
            file.seek(1 << 30)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return False
        raise
    return True


class FolderLock:
    """The right to write into a folder, held by one process at a time.

    The kernel gives the lock back when its holder dies, however it dies. The file says who holds it; a file
    that still says so when the lock is free was left by a writer that was killed.

    Raises:
        BadRun: another writer lives, or the file system knows no locks.
    """

    def __init__(self, path: Path) -> None:
        self.left_by: str = ""
        """The dead writer that was found in the file, in words; empty if the last one closed its run."""
        self._file = path.open("a+b")
        try:
            self._take(path)
        except BaseException:
            self._file.close()
            raise

    def _take(self, path: Path) -> None:
        try:
            free = try_lock(self._file)
        except OSError as error:
            raise BadRun(f"{path.parent}: no file locks here ({error.strerror}): put it on another disk") from error
        if not free:
            holder = self._holder() or "another process"
            raise BadRun(f"{path.parent} is being written by {holder}: wait for it, or choose another --out")
        self.left_by = self._holder()
        self._write(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": now()}).encode())

    def _holder(self) -> str:
        self._file.seek(0)
        try:
            holder = json.loads(self._file.read())
            return f"process {holder['pid']} on {holder['host']} (since {holder['since']})"
        except (ValueError, TypeError, KeyError):
            return ""

    def _write(self, data: bytes) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._file.write(data)
        self._file.flush()

    def release(self) -> None:
        """Give the lock back. Releasing twice does nothing."""
        if self._file.closed:
            return
        try:
            self._write(b"")
        finally:
            self._file.close()

    def __enter__(self) -> FolderLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
