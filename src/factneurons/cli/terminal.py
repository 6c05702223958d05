"""What a person sees while a run is made: notes, how far it is, and the results of every stage as it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bars

from factneurons.cli import console
from factneurons.cli.console import tell
from factneurons.runs.counts import Summary
from factneurons.runs.drive import Pace, Progress
from factneurons.runs.store import Run
from factneurons.stages.display import Lines, in_words


class Terminal:
    """Shows a run to whoever watches, a `Display`: a bar with facts per second and time left in a terminal, else lines.

    Args:
        results: stage -> what prints its results.
    """

    def __init__(self, results: Mapping[str, Callable[[Run, Summary], None]] | None = None) -> None:
        self._results = results or {}

    def note(self, text: str) -> None:
        """Print a line to standard error."""
        tell(text)

    def progress(self, title: str) -> AbstractContextManager[Progress]:
        """A bar, or lines now and then."""
        return _bar(title) if console.err.is_terminal else Lines(tell).progress(title)

    def finished(self, stage: str, run: Run) -> None:
        """Print the results of a stage."""
        if stage in self._results:
            self._results[stage](run, run.summaries[stage])


@contextmanager
def _bar(title: str) -> Iterator[Progress]:
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[pace]}", markup=False),
    )
    with Bars(*columns, console=console.err) as bars:
        yield _BarProgress(bars, title)


class _BarProgress:
    def __init__(self, bars: Bars, title: str) -> None:
        self._bars = bars
        self._task = bars.add_task(title, total=None, pace="")
        self._stopping = False

    def update(self, pace: Pace) -> None:
        """Move the bar."""
        done, text = pace.before + pace.done, in_words(pace, self._stopping)
        self._bars.update(self._task, total=pace.total, completed=done, pace=text)

    def stopping(self) -> None:
        """The user asked to stop."""
        self._stopping = True
