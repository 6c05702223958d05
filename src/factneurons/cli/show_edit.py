"""What the commands about edits print."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import factneurons as fn
from factneurons.cli.console import say, tell
from factneurons.report.sections.edits import PAGE, in_words, size_of_random
from factneurons.runs.counts import counted

_SHOWN = ("change rate", "success rate", "success@5", "MRR, new answer", "P(new answer)", "P(old answer)", "perplexity")
_HEADER = f"  {'asked':17}{'measure':18}{'before':>9}{'after':>9}  {'95% interval':18}{'random':>9}"


def described(edit: fn.Edit) -> None:
    """What an edit is, in a few lines."""
    about = edit.description
    layers = Counter(neuron.layer for neuron in edit.neurons)
    say(str(about))
    where = ", ".join(f"{count} in layer {layer}" for layer, count in sorted(layers.items()))
    say(f"  {counted(len(edit.neurons), 'neuron')} ({about.neurons_from}): {where}")
    say("  " + " ".join(f"{neuron.layer}.{neuron.index}" for neuron in edit.neurons))
    say(f"  their out-weights change by {edit.size:.1%} of their length")
    for note in about.notes:
        say(f"  note: {note}")


def evaluated(result: fn.EditEvaluation, effects: Sequence[fn.EditEffect]) -> None:
    """The edit, and its measurements beside those of random neurons."""
    described(result.edit)
    random = size_of_random(result)
    if random is not None:
        say(f"  random neurons: by {random:.1%}, mean of {counted(len(result.sizes) - 1, 'draw')}")
    for note in result.notes:
        if note not in result.edit.description.notes:
            say(f"  note: {note}")
    say(_HEADER)
    for effect in effects:
        if effect.measure.name in _SHOWN:
            before, after, interval, control = in_words(effect)
            say(f"  {effect.group:17}{effect.measure.name:18}{before:>9}{after:>9}  {interval:18}{control:>9}")


def dry_run(out: Path) -> None:
    """Nothing was written."""
    tell(f"dry run: nothing was written into {out}")


def written(out: Path, model: str, saved: Path | None) -> None:
    """Where everything is, and what comes next."""
    say(f"edit: {out}")
    say(f"page: {out / PAGE}")
    if saved is not None:
        say(f"edited model: {saved}")
    command = ["factneurons", "delta", "apply", model, str(out), "--out", f"{out}-model"]
    say(f"next: {shlex.join(command)}")
