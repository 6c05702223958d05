"""Leases: who works on a batch of facts, so that two workers seldom do the same.

A lease is the file leases/TASK.1, made so that only one worker can make it: written under another name, then linked to
this one, which fails where there is one already, on local disks and on every NFS. (Without hard links: O_EXCL, which
holds on NFS from version 3 on; there a worker killed just then costs the others some patience.) It names its holder.
Whoever finds the holder dead makes TASK.2, which again only one can. So a lease is never taken from somebody by
deleting it, and a holder that wakes up late finds a higher number than its own.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from factneurons.runs.commits import UNFINISHED
from factneurons.runs.workers import Workers

LEASES = "leases"
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
_LOOK_AGAIN = 0.05
"""Seconds until a lease that everybody needs for a moment is asked for again."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease as it was taken.

    Attributes:
        folder: the run's folder of leases.
        task: what it is for.
        name: who holds it.
        number: how often it was taken, this time included.
    """

    folder: Path
    task: str
    name: str
    number: int

    def held(self) -> bool:
        """Whether nobody has taken it over since."""
        return max(_numbers(self.folder, self.task), default=0) == self.number and self._is_mine()

    def give_back(self) -> None:
        """Take the files of this and of earlier holders away; nothing, if others have taken and given it back since."""
        for number in sorted(_numbers(self.folder, self.task)) if self._is_mine() else ():
            if number <= self.number:
                (self.folder / f"{self.task}.{number}").unlink(missing_ok=True)

    def _is_mine(self) -> bool:
        try:
            return (self.folder / f"{self.task}.{self.number}").read_text(encoding="utf-8") == self.name
        except FileNotFoundError:
            return False


class Leases:
    """The leases of a run, asked for in the name of one worker.

    Args:
        folder: the run's folder.
        name: the worker's name.
        workers: what this process sees of the others.
    """

    def __init__(self, folder: Path, name: str, workers: Workers) -> None:
        self._folder, self._name, self._workers = folder / LEASES, name, workers

    def take(self, task: str) -> Lease | None:
        """The lease of a task, or None while another worker that lives has it.

        Raises:
            OSError: the folder cannot be written.
        """
        last = max(_numbers(self._folder, task), default=0)
        if last and self._holder_lives(f"{task}.{last}"):
            return None
        try:
            self._make(self._folder / f"{task}.{last + 1}")
        except FileExistsError:
            return None
        return Lease(self._folder, task, self._name, last + 1)

    @contextmanager
    def alone(self, task: str) -> Iterator[None]:
        """Wait for the lease of something that takes a moment, and hold it inside."""
        while (lease := self.take(task)) is None:
            time.sleep(_LOOK_AGAIN)
        try:
            yield
        finally:
            lease.give_back()

    def drop(self, name: str) -> None:
        """Take away the leases of a worker that is gone for certain."""
        for file, holder in holders(self._folder.parent):
            if holder == name:
                (self._folder / file).unlink(missing_ok=True)

    def _make(self, path: Path) -> None:
        scratch = self._folder.parent / UNFINISHED / f"{self._name}.lease"
        try:
            scratch.write_text(self._name, encoding="utf-8")
            os.link(scratch, path)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            with path.open("xb") as file:
                file.write(self._name.encode())
        finally:
            scratch.unlink(missing_ok=True)

    def _holder_lives(self, file: str) -> bool:
        try:
            name = (self._folder / file).read_text(encoding="utf-8")
        except FileNotFoundError:  # given back just now: whoever makes it anew looks at what is done
            return False
        return self._workers.lives(name) if name else self._workers.changes(file, b"")


def holders(folder: Path) -> Iterator[tuple[str, str]]:
    """The leases of a run that are held now: the names of their files, and of their holders."""
    for path in sorted((folder / LEASES).iterdir()) if (folder / LEASES).is_dir() else []:
        try:
            yield path.name, path.read_text(encoding="utf-8")
        except FileNotFoundError:
            continue


def _numbers(folder: Path, task: str) -> set[int]:
    found = (path.name.rpartition(".") for path in folder.iterdir())
    return {int(number) for name, _, number in found if name == task and number.isdigit()}
