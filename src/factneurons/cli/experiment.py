"""`factneurons experiment`: the experiments of the papers, each with one command."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

import factneurons as fn
from factneurons.cli import show
from factneurons.cli.console import say
from factneurons.cli.examples import shown
from factneurons.cli.options import (
    FactsSpec,
    Fields,
    Limit,
    Loading,
    ModelName,
    SkipBad,
    settings_as_options,
)
from factneurons.cli.sharing import shared
from factneurons.cli.terminal import Terminal
from factneurons.report.sections.experiments import write_experiments

EXAMPLES: dict[str, tuple[str, ...]] = {
    "experiment list": ("factneurons experiment list",),
    **{f"experiment {each.id}": (each.example,) for each in fn.EXPERIMENTS.values()},
}

commands = typer.Typer(no_args_is_help=True, help="The experiments of the papers: one command each.")


@commands.command("list", epilog=shown(EXAMPLES["experiment list"]))
def list_experiments() -> None:
    """List the experiments: what each asks, and the smallest run that can say anything."""
    for experiment in fn.EXPERIMENTS.values():
        say(f"{experiment.id:4} {experiment.title}")
        say(f"     {experiment.question}")
        say(f"     {experiment.source}")
        say(f"     smallest useful run: {experiment.smallest}")


def _command(experiment: fn.Experiment) -> Callable[..., None]:
    """The command that runs one experiment."""

    def command(
        *,
        model: ModelName,
        facts: FactsSpec,
        out: Annotated[
            Path,
            typer.Option(metavar="FOLDER", help="The experiments' folder; what was stopped goes on where it was."),
        ],
        settings: fn.ExperimentSettings,
        all_facts: Annotated[
            bool,
            typer.Option("--all-facts", help="Also facts that the model does not know; else they are left out."),
        ] = False,
        limit: Limit = None,
        skip_bad: SkipBad = False,
        png: Annotated[bool, typer.Option("--png", help="Write the figures as PNG too, under FOLDER/figures.")] = False,
        loading: Annotated[Loading, Fields("device device_map revision trust_remote_code allow_pickle chat")],
    ) -> None:
        loaded = loading.model_for_run(model, facts, out, limit)
        run = fn.run_experiment(
            experiment,
            loaded,
            facts,
            out,
            settings=replace(settings, known_only=not all_facts),
            limit=limit,
            skip_bad=skip_bad,
            progress=Terminal({experiment.id.lower(): partial(show.experiment, experiment)}),
        )
        for path in write_experiments(run, figures=("png",) if png else ()):
            say(str(path))

    fields = ("methods", "all_facts", "multi_mask", "limit", "draws", "unrelated", *experiment.options, "seed")
    command.__annotations__["settings"] = Annotated[fn.ExperimentSettings, Fields(" ".join(fields))]
    command.__doc__ = (
        f"{experiment.title}: {experiment.question}\n\n"
        f"Source: {experiment.source}.\n\nSmallest useful run: {experiment.smallest}."
    )
    return shared(settings_as_options(command))


for _experiment in fn.EXPERIMENTS.values():
    _name = f"experiment {_experiment.id}"
    commands.command(_experiment.id, short_help=_experiment.title, epilog=shown(EXAMPLES[_name]))(_command(_experiment))
