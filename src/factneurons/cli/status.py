"""`factneurons status`: how far a run is, and who works on it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

import factneurons as fn
from factneurons.cli.console import say
from factneurons.cli.options import RunFolder
from factneurons.runs.status import StageStatus, WorkerStatus
from factneurons.runs.workers import BEAT, PATIENCE
from factneurons.stages.display import clock

EXAMPLES: dict[str, tuple[str, ...]] = {
    "status": ("factneurons status runs/capital", "factneurons status runs/capital --json"),
}


def status(
    run: RunFolder,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Show how far a run is, who works on it, what was left out and why, facts per second and the time left."""
    found = fn.run_status(run)
    if as_json:
        say(json.dumps(asdict(found), indent=2))
        return
    for stage in found.stages:
        say(_stage(stage))
    for each in found.workers:
        say(_worker(each))
    if not any(each.alive for each in found.workers):
        say("nobody works on it")


def _stage(stage: StageStatus) -> str:
    """locate: running, 412 of 10,000 facts (left out: 3 failed), 5.2 facts/s, 30:43 left."""
    left_out = ", ".join(f"{count} {reason}" for reason, count in stage.skipped.items())
    of = f" of {stage.total:,}" if stage.total is not None else ""
    text = f"{stage.name}: {stage.state}, {stage.done + sum(stage.skipped.values()):,}{of} facts"
    text += f" (left out: {left_out})" if left_out else ""
    text += f", {stage.facts_per_second:.1f} facts/s" if stage.facts_per_second else ""
    return text + (f", {clock(stage.seconds_left)} left" if stage.seconds_left is not None else "")


def _worker(each: WorkerStatus) -> str:
    who = f"process {each.process} on {each.host} (since {each.since})"
    taken = "what it was at is done by others" if not each.alive else f"after {PATIENCE:.0f} s others do what it is at"
    if each.silent is not None and each.silent > 2 * BEAT:
        return f"{who}: frozen, no sign of life for {each.silent:.0f} s; {taken}"
    if not each.alive:
        return f"{who}: no sign of life; {taken}"
    pace = f"{each.done:,} facts done, {each.facts_per_second:.1f} facts/s"
    return f"{who}: {each.stage}, batches in work: {each.batches}, {pace}"
