"""What a stage is, and the one loop that drives it.

In: facts, the work that turns a batch of them into rows, and the settings that decide their numbers. Out: the run, with
every finished batch kept. What was done before is not done again; what was stopped goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any

from factneurons.errors import BadFact, BadNumber, FactneuronsError, OutOfMemory
from factneurons.facts.types import Fact
from factneurons.models.fingerprint import model_fingerprint
from factneurons.models.model import Model
from factneurons.models.passes.memory import as_one_line
from factneurons.runs.command import command_line
from factneurons.runs.counts import counted
from factneurons.runs.drive import Batch, Work, drive
from factneurons.runs.manifest import DataIdentity, Manifest, ModelIdentity
from factneurons.runs.skips import Skip
from factneurons.runs.store import Run
from factneurons.stages.display import Display

BATCH = 8
"""Facts of one call of a stage's work, and of one commit."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of a run.

    Attributes:
        name: as the manifest has it.
        title: what it does, while it does it.
        tables: the tables it writes.
        needs: the stages whose tables it reads.
    """

    name: str
    title: str
    tables: tuple[str, ...]
    needs: tuple[str, ...] = ("locate",)


@dataclass(frozen=True, slots=True)
class Data:
    """What the facts of a run come from.

    Attributes:
        spec: as it was asked for.
        sha256: the hash of the data.
        limit: only the first so many facts are asked for now; the rest may follow.
    """

    spec: str
    sha256: str
    limit: int | None = None

    @classmethod
    def of(cls, run: Run) -> Data:
        """What a run was made of."""
        return cls(str(run.manifest.data["spec"]), str(run.manifest.data["sha256"]))


@dataclass(frozen=True, slots=True)
class Plan:
    """What one call of a stage has to do.

    Attributes:
        facts: the stream; a Skip in it is a record that was left out.
        work: up to `BATCH` facts into rows.
        total: how many facts the stream holds, if that is known.
        passed: is told of facts that other workers did.
    """

    facts: Iterable[Fact | Skip]
    work: Work
    total: int | None = None
    passed: Callable[[Fact], None] = lambda fact: None


def drive_stage(
    stage: Stage,
    place: Run | Path,
    model: Model,
    data: Data,
    plan: Callable[[Run], Plan],
    *,
    settings: object,
    seed: int = 0,
    skip_bad: bool = False,
    display: Display,
) -> Run:
    """Open a run for one stage, do what is still to do, and keep it.

    Args:
        stage: the stage.
        place: the run that goes on, or the folder of a new one.
        model: the model.
        data: what the facts come from.
        plan: what there is to do, made when the run is open.
        settings: what decides the numbers: a mapping, or a record. A `seed` in it does not count.
        seed: the seed of the random draws.
        skip_bad: leave out facts that fail, and go on.
        display: is shown what goes on.

    Returns:
        the run, open for reading, with the summary of this stage beside those it had.

    Raises:
        BadRun: the folder is another run's, or was made with another model, other data or other settings.
        FactneuronsError: a bad record or fact; what came before it is kept.
        Interrupted: stopped from outside; what was finished is kept.
    """
    folder, before = (place.folder, place.summaries) if isinstance(place, Run) else (place, {})
    kept = asdict(settings) if is_dataclass(settings) and not isinstance(settings, type) else settings
    assert isinstance(kept, Mapping)
    manifest = _manifest(stage.name, {name: kept[name] for name in kept if name != "seed"}, seed, model, data)
    with Run.create_or_resume(folder, manifest, stage.name) as run:
        for note in run.notes:
            display.note(note)
        with _told_what_is_kept(run, stage.name), display.progress(stage.title) as progress:
            todo = plan(run)
            summary = drive(
                run,
                stage.name,
                todo.facts,
                _naming_what_does_not_fit(todo.work, f"{stage.title} with {model.name}"),
                batch_size=BATCH,
                skip_bad=skip_bad,
                progress=progress,
                total=todo.total,
                passed=todo.passed,
            )
    done = Run.open(folder)
    done.summaries.update({**before, stage.name: summary})
    return done


def _manifest(stage: str, settings: Mapping[str, Any], seed: int, model: Model, data: Data) -> Manifest:
    backbone = model.backbone
    shape = {
        "family": backbone.adapter.family,
        "kind": model.kind,
        "layers": model.layer_count,
        "width": model.width,
        **({"chat": True} if backbone.chat else {}),
    }
    dtype = str(backbone.dtype).removeprefix("torch.")
    return Manifest.for_stage(
        stage,
        model=ModelIdentity(model.name, model_fingerprint(backbone), dtype, str(backbone.device), shape),
        data=DataIdentity(data.spec, data.sha256),
        settings=settings,
        seed=seed,
        command=command_line(),
        extent={} if data.limit is None else {"limit": data.limit},
    )


def _naming_what_does_not_fit(work: Work, what: str) -> Work:
    """The work, whose memory runs out in one line; where it is one fact's alone, the line names the fact."""

    def run(facts: list[Fact]) -> Batch:
        try:
            with as_one_line(what):
                return work(facts)
        except OutOfMemory as error:
            if len(facts) > 1:
                raise
            raise OutOfMemory(f"fact {facts[0].id!r} ({facts[0].language}): {error}") from error

    return run


@contextmanager
def _told_what_is_kept(run: Run, stage: str) -> Iterator[None]:
    """Add to the error of one record or fact what was finished before it, and how to go on."""
    try:
        yield
    except (BadFact, BadNumber, OutOfMemory) as error:
        kept = run.counts(stage).done
        finished = f"{counted(kept, 'fact')} finished before it: kept in {run.folder}; " if kept else ""
        raise FactneuronsError(f"{error} ({finished}--skip-bad leaves out what is bad and goes on)") from error
