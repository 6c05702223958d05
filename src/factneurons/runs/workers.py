"""Who works on a run: each worker renews a file of its own, and by that the others see that it lives.

No clock is compared with another one's. A worker is dead when the kernel has given its lock back (seen on the same
machine, at once) or when its file has not changed for `PATIENCE` seconds of the observer's own time: killed elsewhere,
frozen, cut off. That may be wrong. Then a batch is worked on twice, and kept once: what is right does not rest on it.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from factneurons.runs.files import now, try_lock

WORKERS = "workers"
BEAT, PATIENCE = 5.0, 60.0
"""Seconds between two signs of life, and without one until a worker is taken for dead."""


@dataclass(frozen=True, slots=True)
class Sign:
    """What a worker's file says.

    Attributes:
        name: the worker's name, that of its file.
        says: pid, host, place, since, version, and what it is doing: stage, extent, done, seconds, total; `moment` is
            when it last said so, by a clock that counts from the machine's start, the same for its processes.
    """

    name: str
    says: Mapping[str, Any]

    def __str__(self) -> str:
        if "pid" not in self.says:
            return f"worker {self.name}"
        return f"process {self.says['pid']} on {self.says['host']} (since {self.says['since']})"


class Workers:
    """The workers of a run as one process sees them.

    Args:
        folder: the run's folder.
        clock: seconds that only grow.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.folder = folder / WORKERS
        self._clock = clock
        self._seen: dict[str, tuple[bytes, float]] = {}

    def __iter__(self) -> Iterator[Sign]:
        """Every worker that has a file, dead or alive, by name."""
        names = sorted(path.name for path in self.folder.iterdir()) if self.folder.is_dir() else []
        return (_sign(name, self._read(name)) for name in names)

    def killed(self, name: str) -> bool:
        """Whether a worker of this place is gone for certain: it left its file, and the kernel gave back its lock."""
        says = _sign(name, self._read(name)).says
        if not says.get("locked") or says.get("place") != place_of(self.folder):
            return False
        try:
            with (self.folder / name).open("r+b") as file:
                return try_lock(file)
        except OSError:
            return False

    def lives(self, name: str) -> bool:
        """Whether a worker is not known to be dead; a frozen one is taken for dead after `PATIENCE` seconds."""
        return not self.killed(name) and self.changes(name, self._read(name))

    def changes(self, what: str, data: bytes) -> bool:
        """Whether something was seen to change within the last `PATIENCE` seconds; at first sight it was."""
        moment = self._clock()
        if what not in self._seen or self._seen[what][0] != data:
            self._seen[what] = data, moment
        return moment - self._seen[what][1] < PATIENCE

    def beats(self, name: str) -> bool:
        """Wait for a sign of life. In this place a lock is one; False after `PATIENCE` seconds without any."""
        first, began = self._read(name), self._clock()
        while first and not self.killed(name):
            if _sign(name, first).says.get("place") == place_of(self.folder) or self._read(name) != first:
                return True
            if self._clock() - began > PATIENCE:
                return False
            time.sleep(BEAT / 10)
        return False

    def silence(self, name: str) -> float | None:
        """Seconds since a worker of this machine last renewed its file; None for others, and for killed ones.

        Renewed every `BEAT` seconds: whoever holds its lock and is silent for long is frozen (stopped, swapped out).
        """
        says = _sign(name, self._read(name)).says
        if says.get("place") != place_of(self.folder) or "moment" not in says or self.killed(name):
            return None
        return max(0.0, time.monotonic() - float(says["moment"]))

    def living(self) -> set[str]:
        """Those that show life now: on this machine by their lock, if not silent too long; elsewhere in two beats."""
        first = {sign.name: self._read(sign.name) for sign in self}
        here = {name for name, data in first.items() if _sign(name, data).says.get("place") == place_of(self.folder)}
        began = self._clock()
        found = {name for name in here if not self.killed(name) and (self.silence(name) or 0.0) < PATIENCE}
        while (waiting := first.keys() - here - found) and self._clock() - began < 2 * BEAT:
            found |= {name for name in waiting if self._read(name) not in (b"", first[name])}
            time.sleep(BEAT / 50)
        return found

    def _read(self, name: str) -> bytes:
        try:
            return (self.folder / name).read_bytes()
        except OSError:
            return b""


class Worker:
    """This process as a worker of a run, from now until it leaves.

    Attributes:
        name: machine, process and a random number.
        version: that of factneurons.

    Raises:
        OSError: its file cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.name = f"{re.sub(r'[^A-Za-z0-9]+', '-', socket.gethostname())}-{os.getpid()}-{secrets.token_hex(4)}"
        self._path = folder / WORKERS / self.name
        self._file = self._path.open("x+b")
        self.version = version("factneurons")
        self._says: dict[str, Any] = {"pid": os.getpid(), "host": socket.gethostname(), "since": now()}
        self._says |= {"version": self.version, "place": place_of(self._path.parent), "locked": False, "beat": 0}
        with suppress(OSError):  # a disk that knows no locks: others have to be patient
            self._says["locked"] = try_lock(self._file)
        self._writing, self._left = threading.Lock(), threading.Event()
        try:
            self.say()
        except OSError:
            self.leave()
            raise
        self._thread = threading.Thread(target=self._renew, name="sign of life", daemon=True)
        self._thread.start()

    def say(self, **what: object) -> None:
        """Renew the file, and say what this worker is doing."""
        with self._writing:
            if self._file.closed:
                return
            self._says |= {**what, "beat": self._says["beat"] + 1, "moment": time.monotonic()}
            data = json.dumps(self._says).encode()
            self._file.seek(0)
            self._file.write(data)
            self._file.truncate(len(data))
            self._file.flush()
            os.fsync(self._file.fileno())  # over a network, others see what has reached the server

    def note(self, what: Mapping[str, object]) -> None:
        """Say something with the next sign of life."""
        with self._writing:
            self._says |= what

    def leave(self) -> None:
        """Take the file away. Leaving twice does nothing."""
        self._left.set()
        with self._writing:
            if not self._file.closed:
                if os.name != "nt":
                    self._path.unlink(missing_ok=True)
                self._file.close()
                self._path.unlink(missing_ok=True)

    def _renew(self) -> None:
        while not self._left.wait(BEAT):
            with suppress(OSError):  # a full disk: the work itself will say so
                self.say()


def _sign(name: str, data: bytes) -> Sign:
    try:
        says = json.loads(data)
    except ValueError:  # read while it was written
        says = {}
    return Sign(name, says if isinstance(says, dict) else {})


def place_of(folder: Path) -> str:
    """This machine since it was started, and the mount that the folder is on: where a lock is believed.

    Locks of a disk that is not the kernel's own are often known to one mount only, for instance that of one container.
    """
    return f"{_boot()} {folder.stat().st_dev}"


@cache
def _boot() -> str:
    """This machine since it was started."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return socket.gethostname()
