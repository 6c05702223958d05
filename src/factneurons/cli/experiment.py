"""`factneurons experiment`: the experiments of the papers, each with one command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from factneurons.attribution.methods import METHODS
from factneurons.cli import show
from factneurons.cli.console import StageProgress, say
from factneurons.cli.examples import shown
from factneurons.cli.options import (
    FACTS_HELP,
    MODEL_HELP,
    Device,
    DeviceMap,
    Draws,
    RemoteCode,
    Revision,
    Seed,
    SkipBad,
    Unrelated,
    listed,
)
from factneurons.errors import BadRun, NotAskable
from factneurons.experiments.experiment import Experiment
from factneurons.experiments.settings import ExperimentSettings
from factneurons.experiments.study import BATCH, Study
from factneurons.experiments.suite import EXPERIMENTS
from factneurons.experiments.tables import MEASUREMENTS
from factneurons.experiments.types import MeasuredFact
from factneurons.facts.source import load_facts
from factneurons.facts.types import Fact
from factneurons.models.load import load_model
from factneurons.report.sections.experiments import write_experiments
from factneurons.runs.commits import Skip
from factneurons.runs.drive import Batch, Summary, drive
from factneurons.runs.store import Run
from factneurons.stages.locate import Data, open_stage, skip_of, told_what_is_kept
from factneurons.tables import rows_of

commands = typer.Typer(no_args_is_help=True, help="The experiments of the papers: one command each.")

_NOTHING = "nothing-measured"
_USUAL = ExperimentSettings()


@commands.command("list", epilog=shown("experiment list"))
def list_experiments() -> None:
    """List the experiments: what each asks, and the smallest run that can say anything."""
    for experiment in EXPERIMENTS.values():
        say(f"{experiment.id:4} {experiment.title}")
        say(f"     {experiment.question}")
        say(f"     {experiment.source}")
        say(f"     smallest useful run: {experiment.smallest}")


def _command(experiment: Experiment) -> Callable[..., None]:
    """The command that runs one experiment."""

    def command(
        model: Annotated[str, typer.Option(metavar="MODEL", help=MODEL_HELP)],
        facts: Annotated[str, typer.Option(metavar="FACTS", help=FACTS_HELP)],
        out: Annotated[
            Path,
            typer.Option(metavar="FOLDER", help="The experiments' folder; what was stopped goes on where it was."),
        ],
        methods: Annotated[
            str, typer.Option(help=f"Attribution methods, with commas between them, of: {listed(METHODS)}.")
        ] = ",".join(_USUAL.methods),
        all_facts: Annotated[
            bool, typer.Option("--all-facts", help="Also facts that the model does not know; else they are left out.")
        ] = False,
        multi_mask: Annotated[
            bool, typer.Option("--multi-mask", help="Masked models: one mask for each token of an answer.")
        ] = False,
        limit: Annotated[int | None, typer.Option(help="Only the first so many facts.")] = None,
        draws: Draws = _USUAL.draws,
        unrelated: Unrelated = _USUAL.unrelated,
        seed: Seed = _USUAL.seed,
        skip_bad: SkipBad = False,
        png: Annotated[bool, typer.Option("--png", help="Write the figures as PNG too, under FOLDER/figures.")] = False,
        device: Device = None,
        device_map: DeviceMap = None,
        revision: Revision = None,
        trust_remote_code: RemoteCode = False,
    ) -> None:
        settings = ExperimentSettings(
            tuple(dict.fromkeys(name.strip() for name in methods.split(","))),
            draws,
            unrelated,
            multi_mask,
            not all_facts,
            seed,
        )
        Run.check_folder(out)
        load = partial(
            load_model,
            model,
            device=device,
            device_map=device_map,
            revision=revision,
            trust_remote_code=trust_remote_code,
        )
        summary = _run(experiment, load, facts, out, settings, limit=limit, skip_bad=skip_bad)
        run = Run.open(out)
        show.experiment(run, experiment, summary)
        for path in write_experiments(run, figures=("png",) if png else ()):
            say(str(path))

    command.__doc__ = (
        f"{experiment.title}: {experiment.question}\n\n"
        f"Source: {experiment.source}.\n\nSmallest useful run: {experiment.smallest}."
    )
    return command


for _experiment in EXPERIMENTS.values():
    _name = f"experiment {_experiment.id}"
    commands.command(_experiment.id, short_help=_experiment.title, epilog=shown(_name))(_command(_experiment))


def _run(
    experiment: Experiment,
    load: Callable[[], object],
    spec: str,
    out: Path,
    settings: ExperimentSettings,
    *,
    limit: int | None,
    skip_bad: bool,
) -> Summary:
    skips: list[Skip] = []
    source = load_facts(spec, skip_bad=skip_bad, on_skip=lambda left_out: skips.append(skip_of(left_out)), limit=limit)
    facts = list(source)
    model = load()
    study = Study(model, facts, settings)  # type: ignore[arg-type]
    stage = experiment.id.lower()
    kept = {name: value for name, value in asdict(settings).items() if name != "seed"}
    with (
        open_stage(out, stage, kept, settings.seed, study.model, Data(spec, source.sha256(), limit)) as run,
        told_what_is_kept(run, stage),
        StageProgress(f"{experiment.id}, {experiment.title}") as progress,
    ):
        summary = drive(
            run,
            stage,
            _stream(facts, skips),
            _work(experiment, study),
            batch_size=BATCH,
            skip_bad=skip_bad,
            progress=progress,
            total=len(facts) + len(skips),
        )
    if not run.counts(stage).done:
        reasons = ", ".join(f"{count} {reason}" for reason, count in run.counts(stage).skipped.items())
        raise BadRun(f"{experiment.id}: none of the facts of {spec} could be measured ({reasons or 'there are none'})")
    return summary


def _stream(facts: list[Fact], skips: list[Skip]) -> Iterator[Fact | Skip]:
    yield from facts
    yield from skips


def _work(experiment: Experiment, study: Study) -> Callable[[list[Fact]], Batch]:
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
