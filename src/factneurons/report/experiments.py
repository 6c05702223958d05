"""The page of a run's experiments: claims with verdicts, means with intervals, and the charts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from factneurons.errors import BadRun
from factneurons.experiments.experiment import Experiment
from factneurons.experiments.suite import EXPERIMENTS
from factneurons.experiments.verdicts import Cell, Tested, cells_of, verdicts_of
from factneurons.report import drawing
from factneurons.report.experiment_figures import experiment_figures
from factneurons.report.figures import Figure
from factneurons.report.html import environment, put, render, write_figures, write_page
from factneurons.runs.files import disk_errors_in_one_line
from factneurons.runs.reading import measurements_of
from factneurons.runs.store import Run

PAGE = "experiments.html"
FIGURES = "figures"


@dataclass(frozen=True, slots=True)
class Told:
    """One experiment of a run, as it is told.

    Attributes:
        experiment: the experiment.
        tested: its claims with their verdicts.
        cells: its means.
        figures: its charts.
        facts: how many facts were measured.
        skipped: reason -> how many facts were left out.
    """

    experiment: Experiment
    tested: list[Tested]
    cells: list[Cell]
    figures: list[Figure]
    facts: int
    skipped: dict[str, int]

    @property
    def table(self) -> list[Cell]:
        """The means that a table shows; those by layer are in the charts and the CSV file."""
        return [cell for cell in self.cells if not cell.place.isdecimal()]


def told(run: Run, experiment: Experiment) -> Told:
    """Everything that is said of one experiment of a run.

    Raises:
        BadRun: a part of the run is missing or damaged.
    """
    table = measurements_of(run, experiment.id)
    cells = cells_of(table, experiment)
    counts = run.counts(experiment.id.lower())
    return Told(
        experiment,
        verdicts_of(table, experiment),
        cells,
        experiment_figures(experiment, cells),
        counts.done,
        dict(counts.skipped),
    )


def experiments_in(run: Run) -> list[Experiment]:
    """The experiments of the suite that a run holds, in the suite's order."""
    return [each for each in EXPERIMENTS.values() if each.id.lower() in run.manifest.stages]


def write_experiments(run: Run, *, figures: Sequence[str] = ()) -> list[Path]:
    """Write a run's experiments as one self-contained HTML file, and their means and verdicts as CSV files.

    Args:
        run: the run.
        figures: "png", "svg" or both: write every chart as a file of that kind too, into RUN/figures.

    Returns:
        The paths: the page first.

    Raises:
        BadRun: the run holds no experiment, is damaged, or a file cannot be written.
        BadSetting: an unknown kind of figures.
    """
    drawing.check_formats(figures)
    found = [told(run, experiment) for experiment in experiments_in(run)]
    if not found:
        raise BadRun(f"{run.folder} holds no experiment; factneurons experiment list names them")
    drawn = [figure for each in found for figure in each.figures]
    html = render(
        environment(),
        "experiments.html.j2",
        drawn,
        found=found,
        model=run.manifest.model["name"],
        data=run.manifest.data["spec"],
    )
    write_page(run.folder / PAGE, html)
    paths = [run.folder / PAGE]
    with disk_errors_in_one_line(run.folder):
        for name, table in (("means", _means(found)), ("verdicts", _verdicts(found))):
            paths.append(run.folder / f"experiments_{name}.csv")
            put(paths[-1], table.to_csv(index=False).encode())
    return [*paths, *(write_figures(run.folder / FIGURES, drawn, figures) if figures else ())]


def _means(found: Sequence[Told]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "experiment": each.experiment.id,
            "language": cell.language,
            "measure": cell.measure,
            "place": cell.place,
            "condition": cell.condition,
            "estimate": cell.interval.estimate,
            "low": cell.interval.low,
            "high": cell.interval.high,
            "facts": cell.interval.n,
            "subjects": cell.interval.clusters,
        }
        for each in found
        for cell in each.cells
    )


def _verdicts(found: Sequence[Told]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "experiment": each.experiment.id,
            "language": tested.language,
            "claim": tested.claim.text,
            "verdict": tested.verdict,
            "difference": None if tested.difference is None else tested.difference.estimate,
            "low": None if tested.difference is None else tested.difference.low,
            "high": None if tested.difference is None else tested.difference.high,
            "p_value": tested.p_value,
            "p_other": tested.p_other,
            "facts": tested.facts,
        }
        for each in found
        for tested in each.tested
    )
