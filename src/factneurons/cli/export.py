"""`factneurons export`: a run's neurons for other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import factneurons as fn
from factneurons.cli.console import say
from factneurons.cli.options import Fields, Loading, RunFolder, RunModel, listed, settings_as_options

EXAMPLES: dict[str, tuple[str, ...]] = {
    "export": (
        "factneurons export runs/capital --to transformer-lens",
        "factneurons export runs/capital --to json --out neurons.json",
    ),
}


@settings_as_options
def export(
    run: RunFolder,
    *,
    to: Annotated[str, typer.Option(metavar="FORMAT", help=f"One of: {listed(fn.NEURON_FORMATS)}.")],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The file. Default: RUN/neurons-FORMAT, with .py or .json.")
    ] = None,
    model: RunModel = None,
    loading: Annotated[Loading, Fields("device device_map trust_remote_code allow_pickle")],
) -> None:
    """Write a run's knowledge neurons as another tool takes them, and print the file's path.

    A Python file holds the neurons by the names of that library, a function that changes them there, and for every
    prompt P(answer) with and without them, so that you can see whether the other tool agrees. A .json file holds
    layers and indices.
    """
    fn.Run.open(run)
    where = out or run / f"neurons-{to}"
    say(str(fn.export_neurons(run, to, where, model=loading.model_of(run, model))))
