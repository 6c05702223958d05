"""What a person sees while something runs, and the one line they get when it fails."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

if TYPE_CHECKING:
    from factneurons.runs.drive import Pace

err = Console(highlight=False, soft_wrap=True, markup=False, emoji=False, stderr=True)

_LINE_EVERY = 10.0


def say(text: str) -> None:
    """Print a line of results."""
    sys.stdout.write(f"{text}\n")


def tell(text: str) -> None:
    """Print a line about what is going on, to standard error."""
    err.print(text, style="dim")


def fail(text: str) -> None:
    """Print the one line that says what is wrong."""
    sys.stdout.flush()
    err.print("error: " + " ".join(part.strip() for part in text.splitlines()), style="red")


def counted(number: int, what: str) -> str:
    """A number of things in words: "1 fact", "2 facts"."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


class StageProgress:
    """A bar with facts per second and time left; plain lines now and then where nobody watches a terminal."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._bar: Progress | None = None
        self._last = time.monotonic()
        self._stopping = False

    def __enter__(self) -> StageProgress:
        if err.is_terminal:
            columns = (
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[pace]}", markup=False),
            )
            self._bar = Progress(*columns, console=err)
            self._task = self._bar.add_task(self._title, total=None, pace="")
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, pace: Pace) -> None:
        """Show how far the stage is."""
        text = _pace(pace) + (" - stopping after this batch" if self._stopping else "")
        if self._bar is not None:
            self._bar.update(self._task, total=pace.total, completed=pace.before + pace.done, pace=text)
        elif time.monotonic() - self._last > _LINE_EVERY:
            self._last = time.monotonic()
            of = f" of {pace.total}" if pace.total is not None else ""
            tell(f"{self._title}: {pace.before + pace.done}{of} facts, {text}")

    def stopping(self) -> None:
        """The user asked to stop."""
        self._stopping = True


def _pace(pace: Pace) -> str:
    left = pace.seconds_left
    rest = "" if left is None else f", {_clock(left)} left"
    return f"{pace.facts_per_second:.1f} facts/s{rest}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@contextmanager
def short_warnings() -> Iterator[None]:
    """Show warnings as single lines, each kind once, and say at the end how many more there were."""
    seen: dict[str, int] = {}

    def show(message: Warning | str, category: type[Warning], *_: object) -> None:
        text = " ".join(str(message).split("\n"))
        kind = text.partition(", prompt ")[0]
        seen[kind] = seen.get(kind, 0) + 1
        if seen[kind] == 1:
            err.print(f"warning: {text}", style="yellow")

    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = show  # type: ignore[assignment]
        try:
            yield
        finally:
            for kind, count in seen.items():
                if count > 1:
                    err.print(f"warning: {kind}: {count - 1} more of this kind", style="yellow")
