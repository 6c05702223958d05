"""Whoever shows what a run does: nobody, lines of text, or the bar of the command line.

Functions that make a run take `progress=None`: None shows nothing, `print` gets lines of text, and a `Display` can
show what it likes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from factneurons.runs.drive import Pace, Progress
from factneurons.runs.store import Run

_LINE_EVERY = 10.0


class Display(Protocol):
    """Whoever shows what a run does."""

    def note(self, text: str) -> None:
        """Something that a user should know, in one line."""

    def progress(self, title: str) -> AbstractContextManager[Progress]:
        """What is entered while a stage runs, and told how far it is."""

    def finished(self, stage: str, run: Run) -> None:
        """A stage came to its end; `run` is open for reading, and knows its summary."""


Shown = Display | Callable[[str], None] | None
"""What functions take as `progress`: a Display, a callable for lines of text (`print`), or None: nothing is shown."""


class Lines:
    """Shows a run in lines of text: notes, and every ten seconds how far it is."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self.note = write

    @contextmanager
    def progress(self, title: str) -> Iterator[Progress]:
        """Lines about one stage."""
        yield LineProgress(title, self.note)

    def finished(self, stage: str, run: Run) -> None:
        """Nothing: the tables are in the run."""


class LineProgress:
    """A line of text now and then."""

    def __init__(self, title: str, write: Callable[[str], None]) -> None:
        self._title, self._write = title, write
        self._last = time.monotonic()
        self._stopping = False

    def update(self, pace: Pace) -> None:
        """Say how far the stage is, if the last line is some time ago."""
        if time.monotonic() - self._last > _LINE_EVERY:
            self._last = time.monotonic()
            of = f" of {pace.total}" if pace.total is not None else ""
            self._write(f"{self._title}: {pace.before + pace.done}{of} facts, {in_words(pace, self._stopping)}")

    def stopping(self) -> None:
        """The user asked to stop."""
        self._stopping = True


def in_words(pace: Pace, stopping: bool) -> str:
    """Facts per second and the time left."""
    left = "" if pace.seconds_left is None else f", {clock(pace.seconds_left)} left"
    return f"{pace.facts_per_second:.1f} facts/s{left}" + (" - stopping after this batch" if stopping else "")


def clock(seconds: float) -> str:
    """A time in hours, minutes and seconds: 1:01, 1:01:01."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def display_of(progress: Shown) -> Display:
    """The display that `progress` stands for."""
    if progress is None:
        return Lines(lambda text: None)
    return Lines(progress) if callable(progress) else progress
