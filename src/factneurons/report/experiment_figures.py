"""The charts of the suite's experiments, drawn from means with intervals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import altair as alt

from factneurons.experiments.experiment import Chart, Experiment
from factneurons.experiments.verdicts import Cell
from factneurons.report import numbers
from factneurons.report.figures import BLUE, GREEN, GREY, ORANGE, Figure, chart_of, colors, finite

_COLORS = (BLUE, ORANGE, GREEN, "#8d6bb8", "#b5485d", "#7a6a53", GREY)
_ROW = 18
_HEIGHT = 260
_LETTERS = 260


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
    y = alt.Y("row:N", title=None, sort=rows, axis=alt.Axis(labelLimit=_LETTERS))
    base = chart_of(data).encode(
        y=y,
        yOffset=alt.YOffset("measure:N", sort=measures),
        color=colors("measure", measures, _COLORS[: len(measures)]),
    )
    layers = alt.layer(
        chart_of([{"zero": 0}]).mark_rule(color=GREY, strokeDash=[3, 3]).encode(x="zero:Q"),
        base.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=2).encode(x="low:Q", x2="high:Q"),
        base.mark_point(filled=True, size=60, opacity=1).encode(
            x=alt.X("mean:Q", title="mean over facts", axis=axis), tooltip=_tooltip(chart)
        ),
    ).properties(height=alt.Step(_ROW * max(1, len(measures))))
    yield _figure(name, chart, language, layers, cells)


def _by_place(name: str, chart: Chart, language: str, cells: Sequence[Cell]) -> Iterator[Figure]:
    """A line over places for each condition, a figure per measure."""
    for number, measure in enumerate(chart.measures, start=1):
        own = [cell for cell in cells if cell.measure == measure]
        if not own:
            continue
        conditions = list(dict.fromkeys(cell.condition for cell in own))
        places = list(dict.fromkeys(cell.place for cell in own))
        data = [_datum(cell, cell.condition) for cell in own]
        axis = alt.Axis(format=".0%") if chart.unit == "share" else alt.Axis()
        base = chart_of(data).encode(
            x=alt.X(
                "place:N",
                title="layer" if all(place.isdecimal() for place in places) else None,
                sort=places,
                axis=alt.Axis(labelAngle=0, labelOverlap=True),
            ),
            color=colors("row", conditions, [_COLORS[k % len(_COLORS)] for k in range(len(conditions))]),
        )
        layers = alt.layer(
            base.transform_filter("isValid(datum.low)").mark_rule(opacity=0.5).encode(y="low:Q", y2="high:Q"),
            base.mark_line(strokeWidth=2).encode(y=alt.Y("mean:Q", title=measure, axis=axis)),
            base.mark_point(filled=True, size=50, opacity=1).encode(y="mean:Q", tooltip=_tooltip(chart)),
        ).properties(height=_HEIGHT)
        yield _figure(f"{name}_{number}", chart, language, layers, own)


_KINDS = {"condition": _by_condition, "place": _by_place}


def _datum(cell: Cell, row: str) -> dict[str, object]:
    return {
        "row": row,
        "measure": cell.measure,
        "place": cell.place,
        "mean": cell.interval.estimate,
        "low": finite(cell.interval.low),
        "high": finite(cell.interval.high),
        "facts": cell.interval.n,
    }


def _tooltip(chart: Chart) -> list[alt.Tooltip]:
    shown = "+.1%" if chart.unit == "share" else ".3"
    return [
        alt.Tooltip("row:N", title="condition"),
        alt.Tooltip("measure:N"),
        alt.Tooltip("place:N"),
        alt.Tooltip("mean:Q", format=shown),
        alt.Tooltip("low:Q", title="95% interval, low", format=shown),
        alt.Tooltip("high:Q", title="high", format=shown),
        alt.Tooltip("facts:Q", format=","),
    ]


def _figure(
    name: str, chart: Chart, language: str, layers: alt.LayerChart | alt.FacetChart, cells: Sequence[Cell]
) -> Figure:
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
