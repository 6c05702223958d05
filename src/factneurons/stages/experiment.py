"""`run_experiment`: one experiment of the papers, measured fact by fact and kept in a run."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from factneurons.errors import BadRun, NotAskable
from factneurons.experiments.experiment import Experiment
from factneurons.experiments.settings import ExperimentSettings
from factneurons.experiments.study import Study
from factneurons.experiments.suite import experiment_named
from factneurons.experiments.tables import MEASUREMENTS
from factneurons.experiments.types import MeasuredFact
from factneurons.facts.source import FactSource, load_facts
from factneurons.facts.types import Fact
from factneurons.models.load import load_model
from factneurons.models.model import Model
from factneurons.runs.drive import Batch, Work
from factneurons.runs.files import try_lock
from factneurons.runs.skips import Skip
from factneurons.runs.store import Run
from factneurons.settings import with_options
from factneurons.stages.display import Display, Shown, display_of
from factneurons.stages.locate import skip_of
from factneurons.stages.stage import Data, Plan, Stage, drive_stage
from factneurons.tables import rows_of

_NOTHING = "nothing-measured"

CHECKPOINTS = "checkpoints"
"""Where the fine-tunings of an experiment are kept until it is done, beside its run."""


def stage_of(experiment: Experiment) -> Stage:
    """The stage of an experiment; a folder holds one for each that was made there."""
    return Stage(experiment.id.lower(), f"{experiment.id}, {experiment.title}", ("measurements",), needs=())


def run_experiment(
    experiment: Experiment | str,
    model: Model | str | os.PathLike[str],
    facts: str | Path | Iterable[Fact],
    out: Path | str,
    *,
    settings: ExperimentSettings | None = None,
    limit: int | None = None,
    skip_bad: bool = False,
    progress: Shown = None,
    **options: object,
) -> Run:
    """Measure one experiment over facts, and keep the measurements in a run.

    What was done before is not done again, and what was stopped goes on. The same as `factneurons experiment`.

    Args:
        experiment: the experiment, or its id: a key of `EXPERIMENTS`.
        model: a model, or the name or folder of one.
        facts: facts, or where they are, as `load_facts` takes it. All are held in memory.
        out: the folder of the experiments; several can be made in one.
        settings: how the experiment is made.
        limit: only the first so many facts; a later call may go further.
        skip_bad: leave out bad records and facts that fail, count them, and go on.
        progress: who shows what goes on: a Display, a callable for lines of text, or None.
        **options: fields of `settings` by name, for instance `methods=("amig",), draws=5`.

    Returns:
        the run: `table("measurements")`.

    Raises:
        BadRun: the folder is another run's or no run's, or no fact could be measured.
        BadSetting: no such experiment, an unknown option or an impossible value.
    """
    asked = experiment_named(experiment) if isinstance(experiment, str) else experiment
    how = with_options(ExperimentSettings, settings, options)
    Run.check_folder(out)
    held = held_facts(facts, limit=limit, skip_bad=skip_bad)
    study = Study(model if isinstance(model, Model) else load_model(model), held.facts, how)
    return measure(asked, study, held, out, skip_bad=skip_bad, display=display_of(progress))


@dataclass(frozen=True, slots=True)
class HeldFacts:
    """Facts in memory.

    Attributes:
        source: where they are from.
        facts: the facts.
        skips: what was left out on reading.
        limit: only the first so many were asked for.
    """

    source: FactSource
    facts: tuple[Fact, ...]
    skips: tuple[Skip, ...]
    limit: int | None

    @property
    def records(self) -> int:
        """Facts, and what never became one: parts left out of facts (wrong answers) are no more of them."""
        return len(self.facts) + sum(not each.part for each in self.skips)


def held_facts(facts: str | Path | Iterable[Fact], *, limit: int | None, skip_bad: bool) -> HeldFacts:
    """Read facts into memory.

    Raises:
        BadFact: a bad record, unless it is to be left out.
    """
    skips: list[Skip] = []
    source = load_facts(facts, skip_bad=skip_bad, on_skip=lambda left_out: skips.append(skip_of(left_out)), limit=limit)
    return HeldFacts(source, tuple(source), tuple(skips), limit)


def measure(
    experiment: Experiment, study: Study, held: HeldFacts, out: Path | str, *, skip_bad: bool, display: Display
) -> Run:
    """Measure one experiment on the facts of a study, which other experiments may share; otherwise `run_experiment`.

    Raises:
        BadRun: the folder is another run's or no run's, or no fact could be measured.
    """
    stage = stage_of(experiment)
    checkpoints = Path(out) / CHECKPOINTS / stage.name
    study.checkpoint = partial(_checkpoint, checkpoints)
    run = drive_stage(
        stage,
        Path(out),
        study.model,
        Data(held.source.spec, held.source.sha256(), held.limit),
        lambda run: Plan([*held.facts, *held.skips], _work(experiment, study), held.records),
        settings=asdict(study.settings),
        seed=study.settings.seed,
        skip_bad=skip_bad,
        display=display,
    )
    shutil.rmtree(checkpoints, ignore_errors=True)
    with suppress(OSError):  # another experiment's may be there
        checkpoints.parent.rmdir()
    if not run.counts(stage.name).done:
        skipped = run.counts(stage.name).skipped
        reasons = ", ".join(f"{count} {reason}" for reason, count in skipped.items())
        raise BadRun(
            f"{experiment.id}: none of the {len(held.facts)} facts of {held.source.spec} could be measured "
            f"({reasons or 'there are none'}); it needs one at least, and can say something with {experiment.smallest}"
        )
    display.finished(stage.name, run)
    return run


@contextmanager
def _checkpoint(folder: Path, name: str) -> Iterator[Path | None]:
    """Where a training is kept; None while another worker is at the same one."""
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / re.sub(r"[^a-z0-9]+", "-", name.lower())
    with place.with_suffix(".lock").open("a+b") as file:
        yield place if try_lock(file) else None


def _work(experiment: Experiment, study: Study) -> Work:
    """Facts into rows; everything that looks at all facts is done when the first batch comes."""
    work = None

    def batch(facts: list[Fact]) -> Batch:
        nonlocal work
        work = work or experiment.prepare(study)
        study.expect(facts)
        found: list[MeasuredFact] = []
        skips = []
        for fact in facts:
            try:
                own = MeasuredFact(experiment.id, fact, tuple(work(fact)))
            except NotAskable as error:
                skips.append(Skip.of(fact, error.reason, str(error), askable=True))
                continue
            if not own.numbers:
                skips.append(Skip.of(fact, _NOTHING, "the experiment measures nothing for it", askable=True))
            found.append(own)
        return Batch(rows_of([MEASUREMENTS], found), skips)

    return batch
