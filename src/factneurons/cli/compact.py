"""`factneurons compact`: a run in few files."""

from __future__ import annotations

import factneurons as fn
from factneurons.cli.console import say
from factneurons.cli.options import RunFolder

EXAMPLES: dict[str, tuple[str, ...]] = {
    "compact": ("factneurons compact runs/capital",),
}


def compact(run: RunFolder) -> None:
    """Put the small parts of a run together, a thousand facts each; others may work on it or read it meanwhile.

    Workers do the same by themselves: after every 200 parts, and at the end of a stage that has more than 16.
    """
    before, after = fn.compact_run(run)
    say(f"{run}: {before} parts before, {after} now")
