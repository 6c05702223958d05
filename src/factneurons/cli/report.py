"""`factneurons report`: a run as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import factneurons as fn
from factneurons.cli.console import say
from factneurons.cli.options import RunFolder

EXAMPLES: dict[str, tuple[str, ...]] = {
    "report": (
        "factneurons report runs/capital",
        "factneurons report runs/capital --out capital.html --max-facts 10 --png",
    ),
}


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
    say(str(fn.run_report(run, out=out, figures=figures, max_facts=max_facts)))
