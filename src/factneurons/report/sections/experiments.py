"""The page of a run's experiments: claims with verdicts, means with intervals, and the charts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import altair as alt
import pandas as pd

from factneurons.errors import BadRun
from factneurons.experiments.experiment import Chart, Experiment
from factneurons.experiments.suite import EXPERIMENTS
from factneurons.experiments.verdicts import Cell, Tested, cells_of, verdicts_of
from factneurons.report import drawing, numbers
from factneurons.report.charts import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    AnyChart,
    Figure,
    colors,
    curves,
    interval_tooltip,
    points,
    with_interval,
)
from factneurons.report.html import environment, render, write_figures, write_page
from factneurons.report.text import could_tell
from factneurons.runs.files import disk_errors_in_one_line, replace_file
from factneurons.runs.reading import measurements_of
from factneurons.runs.store import Run

PAGE = "experiments.html"
FIGURES = "figures"

_COLORS = (BLUE, ORANGE, GREEN, "#8d6bb8", "#b5485d", "#7a6a53", GREY)
_ROW = 22
_HEIGHT = 260
_LETTERS = 260


@dataclass(frozen=True, slots=True)
class ExperimentSection:
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
        """The means that a table shows; those by number (of a layer, of groups) are in the charts and the CSV file."""
        return [cell for cell in self.cells if not cell.place.isdecimal()]


def experiment_section(run: Run, experiment: Experiment) -> ExperimentSection:
    """Everything that is said of one experiment of a run.

    Raises:
        BadRun: a part of the run is missing or damaged.
    """
    table = measurements_of(run, experiment.id)
    cells = cells_of(table, experiment)
    counts = run.counts(experiment.id.lower())
    return ExperimentSection(
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
    found = [experiment_section(run, experiment) for experiment in experiments_in(run)]
    if not found:
        raise BadRun(f"{run.folder} holds no experiment; factneurons experiment list names them")
    drawn = [figure for each in found for figure in each.figures]
    html = render(
        environment(),
        "experiments.html.j2",
        drawn,
        found=found,
        could_tell=could_tell,
        model=run.manifest.model["name"],
        data=run.manifest.data["spec"],
    )
    write_page(run.folder / PAGE, html)
    paths = [run.folder / PAGE]
    with disk_errors_in_one_line(run.folder):
        for name, table in (("means", _means(found)), ("verdicts", _verdicts(found))):
            paths.append(run.folder / f"experiments_{name}.csv")
            replace_file(paths[-1], table.to_csv(index=False).encode())
    return [*paths, *(write_figures(run.folder / FIGURES, drawn, figures) if figures else ())]


def _means(found: Sequence[ExperimentSection]) -> pd.DataFrame:
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
            "left_out": cell.left_out,
            "reason": cell.reason,
        }
        for each in found
        for cell in each.cells
    )


def _verdicts(found: Sequence[ExperimentSection]) -> pd.DataFrame:
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
            "facts": tested.facts,
            "by_design": tested.by_design,
            "subjects": tested.subjects,
            "smallest_p": tested.smallest_p,
            "enough_subjects": tested.enough,
        }
        for each in found
        for tested in each.tested
    )


def experiment_figures(experiment: Experiment, cells: Sequence[Cell]) -> list[Figure]:
    """Every chart of an experiment that there are numbers for, one per language.

    Args:
        experiment: the experiment.
        cells: its means.
    """
    languages = sorted({cell.language for cell in cells})
    return [
        figure
        for number, chart in enumerate(experiment.charts, start=1)
        for place, language in enumerate(languages, start=1)
        for figure in _KINDS[chart.across](
            f"{experiment.id.lower()}_{number}_{place}",
            chart,
            language,
            [cell for cell in cells if cell.language == language and cell.measure in chart.measures],
        )
    ]


def _by_condition(name: str, chart: Chart, language: str, cells: Sequence[Cell]) -> Iterator[Figure]:
    """A row per condition, a point with its interval per measure."""
    if not cells:
        return
    several = len({cell.place for cell in cells}) > 1
    data = [
        _datum(cell, f"{cell.condition} ({cell.place})" if several and cell.place else cell.condition) for cell in cells
    ]
    rows = list(dict.fromkeys(str(each["row"]) for each in data))
    measures = [measure for measure in chart.measures if any(cell.measure == measure for cell in cells)]
    axis = alt.Axis(format="+.0%") if chart.unit == "share" else alt.Axis()
    layers = points(
        data,
        row=("row", rows),
        series=("measure", measures, _COLORS),
        x=alt.X("mean:Q", title="mean over facts", axis=axis),
        tooltip=_tooltip(chart),
        height=_ROW * len(rows) * max(1, len(measures)),
        axis=alt.Axis(labelLimit=_LETTERS),
        padding=None,
        size=60,
        zero=(3, 3),
    )
    yield _figure(name, chart, language, layers, cells)


def _by_place(name: str, chart: Chart, language: str, cells: Sequence[Cell]) -> Iterator[Figure]:
    """A line over places for each condition, a figure per measure."""
    for number, measure in enumerate(chart.measures, start=1):
        own = [cell for cell in cells if cell.measure == measure]
        if not own:
            continue
        conditions = list(dict.fromkeys(cell.condition for cell in own))
        places = list(dict.fromkeys(cell.place for cell in own))
        axis = alt.Axis(format=".0%") if chart.unit == "share" else alt.Axis()
        layers = curves(
            [_datum(cell, cell.condition) for cell in own],
            x=alt.X(
                "place:N",
                title=chart.axis if all(place.isdecimal() for place in places) else None,
                sort=places,
                axis=alt.Axis(labelAngle=0, labelOverlap=True),
            ),
            y=alt.Y("mean:Q", title=measure, axis=axis),
            color=colors("row", conditions, [_COLORS[k % len(_COLORS)] for k in range(len(conditions))]),
            tooltip=_tooltip(chart),
            size=50,
            again="mean:Q",
        ).properties(height=_HEIGHT)
        yield _figure(f"{name}_{number}", chart, language, layers, own)


_KINDS = {"condition": _by_condition, "place": _by_place}


def _datum(cell: Cell, row: str) -> dict[str, object]:
    return {"row": row, "measure": cell.measure, "place": cell.place, **with_interval("mean", cell.interval)}


def _tooltip(chart: Chart) -> list[alt.Tooltip]:
    return [
        alt.Tooltip("row:N", title="condition"),
        alt.Tooltip("measure:N"),
        alt.Tooltip("place:N"),
        *interval_tooltip("mean", "+.1%" if chart.unit == "share" else ".3"),
    ]


def _figure(name: str, chart: Chart, language: str, layers: AnyChart, cells: Sequence[Cell]) -> Figure:
    rows = tuple(
        (
            cell.condition,
            cell.measure,
            cell.place,
            numbers.plain(cell.interval.estimate),
            numbers.plain_range(cell.interval),
            numbers.count(cell.interval.n),
        )
        for cell in cells
    )
    caption = "Means over facts. Lines: 95% bootstrap intervals, subjects resampled."
    columns = ("condition", "measure", "place", "mean", "interval", "facts")
    return Figure(name, f"{chart.title}, {language}", caption, layers, columns, rows)
