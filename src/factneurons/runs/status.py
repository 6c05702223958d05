"""How far a run is, and who works on it: read from its folder, by anybody, at any time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from factneurons.errors import BadRun
from factneurons.runs.leases import holders
from factneurons.runs.manifest import Start
from factneurons.runs.store import Run
from factneurons.runs.workers import Workers


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """One process that works on a run.

    Attributes:
        host: its machine.
        process: its number there.
        since: when it began, by its own clock, in UTC.
        version: its version of factneurons.
        alive: whether it showed life; what a dead one was at is done by others.
        silent: seconds since it last renewed its sign of life, which it does every five; a process that is there and
            silent is frozen, and taken for dead after a minute. None for workers of other machines, and killed ones.
        stage: the stage that it works on.
        batches: how many batches of facts it has in work.
        done: facts that it has dealt with in this stage.
        facts_per_second: its pace in this stage, as it last said.
    """

    host: str
    process: int
    since: str
    version: str
    alive: bool
    silent: float | None
    stage: str
    batches: int
    done: int
    facts_per_second: float


@dataclass(frozen=True, slots=True)
class StageStatus:
    """One stage of a run.

    Attributes:
        name: the stage.
        state: "running" (also after a kill), "done" or "interrupted".
        done: facts with results.
        skipped: reason -> facts and records left out; "failed" are those that broke.
        total: how many facts and records there are, if a worker that lives knows.
        facts_per_second: the pace of all living workers together.
        seconds_left: at this pace; None if it or the total is not known.
    """

    name: str
    state: str
    done: int
    skipped: Mapping[str, int]
    total: int | None
    facts_per_second: float
    seconds_left: float | None


@dataclass(frozen=True, slots=True)
class RunStatus:
    """A run as it is now.

    Attributes:
        folder: the run's folder.
        stages: its stages, in the order in which they were begun.
        workers: the processes at work, and dead ones whose file nobody has taken away yet.
    """

    folder: str
    stages: tuple[StageStatus, ...]
    workers: tuple[WorkerStatus, ...]


def run_status(run: Run | Path | str) -> RunStatus:
    """How far a run is, and who works on it. The same as `factneurons status`.

    Takes up to ten seconds where workers of other machines show no life.

    Raises:
        BadRun: no run, or its manifest is damaged.
    """
    opened = Run.open(run.folder if isinstance(run, Run) else run)
    seen = Workers(opened.folder)
    living = seen.living()
    leases = Counter(holder for _, holder in holders(opened.folder))
    workers, totals = [], dict[str, int]()
    for name, says in ((sign.name, sign.says) for sign in seen):
        if "pid" not in says:  # read while it was written
            continue
        stage, done, seconds = says.get("stage", ""), says.get("done", 0), says.get("seconds", 0.0)
        pace = done / seconds if seconds else 0.0
        who = says["host"], says["pid"], says["since"], says["version"], name in living, seen.silence(name)
        workers.append(WorkerStatus(*who, stage, leases[name], done, pace))
        if name in living and says.get("total") is not None:
            totals[stage] = max(says["total"], totals.get(stage, 0))
    stages = tuple(_stage(opened, name, totals.get(name), workers) for name in opened.manifest.stages)
    return RunStatus(str(opened.folder), stages, tuple(workers))


def _stage(run: Run, name: str, total: int | None, workers: list[WorkerStatus]) -> StageStatus:
    counts = run.counts(name)
    pace = sum(each.facts_per_second for each in workers if each.alive and each.stage == name)
    left = max(0, total - counts.read) / pace if total is not None and pace else None
    return StageStatus(name, run.manifest.stages[name].state, counts.done, counts.skipped, total, pace, left)


def start_to_join(run: Run) -> Start | None:
    """The start of a stage whose command another worker can give too; None if nobody works and nothing is left.

    Raises:
        BadRun: it was begun from Python, so there is no command.
    """
    stages = list(run.manifest.stages.values())
    open_ones = [each for each in stages if each.state != "done"]
    if not open_ones and not Workers(run.folder).living():
        return None
    start = max((each.starts[-1] for each in open_ones or stages), key=lambda start: start.time)
    if not start.arguments:
        raise BadRun(
            f"{run.folder} was begun from Python: call the same function there, or give the same command, to join it"
        )
    return start
