"""`factneurons verify`: is a run still what was written?"""

from __future__ import annotations

import typer

import factneurons as fn
from factneurons.cli.console import fail, say, tell
from factneurons.cli.options import RunFolder

EXAMPLES: dict[str, tuple[str, ...]] = {
    "verify": ("factneurons verify runs/capital",),
}


def verify(run: RunFolder) -> None:
    """Check that a run's files, its model and its data are what they were when it was made."""
    problems, notes = fn.verify_run(run)
    for problem in problems:
        fail(problem)
    for note in notes:
        tell(note)
    if problems:
        raise typer.Exit(2)
    say(f"{run}: every file is as it was written")
