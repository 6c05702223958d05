"""`run_report`: the page that a run gets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from factneurons.errors import BadSetting
from factneurons.report.page import write_report
from factneurons.report.sections.experiments import PAGE, experiments_in, write_experiments
from factneurons.runs.store import Run


def run_report(
    run: Run | Path | str, *, out: Path | str | None = None, figures: Sequence[str] = (), max_facts: int = 40
) -> Path:
    """Write a run's report, one HTML file that needs no network; a folder of experiments gets their page.

    Args:
        run: the run, or its folder.
        out: where the page goes; None: report.html in the run's folder. The page of experiments is always in theirs.
        figures: write the figures as files too: "png", "svg".
        max_facts: how many facts get a section of their own.

    Returns:
        the page.

    Raises:
        BadRun: no run.
        BadSetting: an impossible value, or `out` with experiments.
    """
    opened = run if isinstance(run, Run) else Run.open(run)
    if "locate" in opened.manifest.stages or not experiments_in(opened):
        return write_report(opened, out=out, figures=figures, max_facts=max_facts)
    if out is not None:
        raise BadSetting(f"{opened.folder} holds experiments: their page is {opened.folder / PAGE}; leave out --out")
    return write_experiments(opened, figures=figures)[0]
