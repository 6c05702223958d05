"""`factneurons report`: a run as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from factneurons.cli.console import say
from factneurons.cli.options import RunFolder
from factneurons.errors import BadSetting
from factneurons.report.page import write_report
from factneurons.report.sections.experiments import PAGE, experiments_in, write_experiments
from factneurons.runs.store import Run


def report(
    run: RunFolder,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where the page goes. Default: RUN/report.html.")
    ] = None,
    png: Annotated[bool, typer.Option("--png", help="Write the figures as PNG too, under RUN/figures.")] = False,
    svg: Annotated[bool, typer.Option("--svg", help="Write the figures as SVG too, under RUN/figures.")] = False,
    max_facts: Annotated[int, typer.Option(help="How many facts get a section of their own.")] = 40,
) -> None:
    """Write a run's report, one HTML file that needs no network, and print its path.

    A folder of experiments gets their page, experiments.html.
    """
    figures = [name for name, wanted in (("png", png), ("svg", svg)) if wanted]
    opened = Run.open(run)
    if "locate" in opened.manifest.stages or not experiments_in(opened):
        say(str(write_report(opened, out=out, figures=figures, max_facts=max_facts)))
        return
    if out is not None:
        raise BadSetting(f"{run} holds experiments: their page is {run / PAGE}; leave out --out")
    say(str(write_experiments(opened, figures=figures)[0]))
