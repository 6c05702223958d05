"""What every chart is made of: five builders, each from plain rows, and the colours they share.

Text in a chart is never a user's: no fact, subject or relation is in any of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from factneurons.statistics import Interval

BLUE, ORANGE, GREY, GREEN = "#3d85c6", "#d9641e", "#8a8f98", "#2f9e77"
"""Told apart by colour-blind readers, and seen on white as well as on black."""

Rows = Sequence[Mapping[str, object]]
AnyChart = alt.Chart | alt.LayerChart | alt.FacetChart

_LEGEND_LETTERS = 40
_DARK_ABOVE = 0.55
NAMES_ABOVE_ROWS = alt.Axis(
    labelAlign="left",
    labelPadding=-8,
    labelOffset=-26,
    labelLimit=300,
    labelFontWeight=600,
    grid=False,
    ticks=False,
    domain=False,
)
"""Inside the chart, so that it is not cut off or squeezed on a narrow screen."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One chart.

    Attributes:
        name: its file's name, and its id in the page.
        title: what it shows.
        caption: how to read it.
        chart: the chart, without width, title and colours of text.
        columns: the names of the columns of `rows`.
        rows: the numbers in it, as text.
    """

    name: str
    title: str
    caption: str
    chart: AnyChart
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


def points(
    data: Rows,
    *,
    row: tuple[str, Sequence[str]],
    series: tuple[str, Sequence[str], Sequence[str]],
    x: alt.X,
    tooltip: Sequence[alt.Tooltip],
    height: float,
    axis: alt.Axis = NAMES_ABOVE_ROWS,
    padding: float | None = 0.45,
    size: int = 80,
    zero: Sequence[int] = (),
    shapes: Sequence[str] = (),
    interval: alt.X | str = "low:Q",
    opacity: float | None = None,
) -> AnyChart:
    """A point with its interval per row and series; a datum has "low" and "high" beside the fields named here.

    Args:
        data: one datum per point; low None: it has no interval.
        row: the field that tells rows apart, and its values from top to bottom.
        series: the field that tells points of one row apart, its values and their colours.
        x: the value.
        tooltip: what a point says.
        height: of the chart.
        axis: of the rows.
        padding: between rows, as a share of a row; None: the default.
        size: of the points.
        zero: the dashes of a line at 0; empty: none.
        shapes: one per series; empty: all are round.
        interval: the lower end of the interval, where it needs a scale of its own.
        opacity: of the intervals.
    """
    field, names, shades = series
    scale = _given(scale=None if padding is None else alt.Scale(paddingInner=padding))
    base = chart_of(data).encode(
        y=alt.Y(f"{row[0]}:N", title=None, sort=list(row[1]), axis=axis, **scale),
        yOffset=alt.YOffset(f"{field}:N", sort=list(names)),
        color=colors(field, names, shades),
    )
    shape = _given(shape=shapes_of(field, names, shapes) if shapes else None)
    zeros = [chart_of([{"zero": 0}]).mark_rule(strokeDash=list(zero), color=GREY).encode(x="zero:Q")] if zero else []
    rules = base.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=2, **_given(opacity=opacity))
    marks = base.mark_point(filled=True, size=size, opacity=1)
    return alt.layer(
        *zeros, rules.encode(x=interval, x2="high:Q"), marks.encode(x=x, **shape, tooltip=list(tooltip))
    ).properties(height=height)


def bars(
    data: Rows,
    *,
    x: alt.X,
    y: alt.Y,
    series: tuple[str, Sequence[str], Sequence[str]],
    tooltip: Sequence[alt.Tooltip],
    height: float,
    stacked_by: str = "",
) -> alt.Chart:
    """Bars over layers or other places, of each series beside each other, or on top of each other.

    Args:
        data: one datum per bar.
        x: the place.
        y: the height of a bar.
        series: the field that tells bars of one place apart, its values and their colours.
        tooltip: what a bar says.
        height: of the chart.
        stacked_by: the field that orders the parts of one bar; "": series stand beside each other.
    """
    field, names, shades = series
    encoded = _given(
        x=x,
        xOffset=None if stacked_by else alt.XOffset(f"{field}:N", sort=list(names)),
        y=y,
        color=colors(field, names, shades),
        order=alt.Order(f"{stacked_by}:Q") if stacked_by else None,
        tooltip=list(tooltip),
    )
    chart: alt.Chart = chart_of(data).mark_bar().encode(**encoded).properties(height=height)
    return chart


def curves(
    data: Rows,
    *,
    x: alt.X,
    y: alt.Y,
    color: alt.Color,
    tooltip: Sequence[alt.Tooltip],
    detail: Sequence[str] = (),
    size: int = 70,
    again: alt.Y | str | None = None,
    width: int | None = None,
    more: Sequence[alt.Chart] = (),
) -> AnyChart:
    """Lines through points with intervals; a datum has "low" and "high" beside the fields named here.

    Args:
        data: one datum per point; low None: it has no interval.
        x: the place.
        y: the value.
        color: of each line.
        tooltip: what a point says.
        detail: fields that tell lines of one colour apart.
        size: of the points.
        again: the value as the points name it; None: as the lines do.
        width: of the intervals.
        more: what is drawn over them.
    """
    base = chart_of(data).encode(x=x, color=color, **_given(detail=list(detail) or None))
    return alt.layer(
        base.transform_filter("isValid(datum.low)")
        .mark_rule(opacity=0.5, **_given(strokeWidth=width))
        .encode(y="low:Q", y2="high:Q"),
        base.mark_line(strokeWidth=2).encode(y=y),
        base.mark_point(filled=True, size=size, opacity=1).encode(y=again or y, tooltip=list(tooltip)),
        *more,
    )


def histogram(
    data: Rows,
    *,
    x: alt.X,
    y: alt.Y,
    tooltip: Sequence[alt.Tooltip],
    series: tuple[str, Sequence[str], Sequence[str]] | None = None,
    row: alt.Row | None = None,
    **mark: Any,
) -> alt.Chart:
    """Bars from "low" to "high" as high as y.

    Args:
        data: one datum per bar.
        x: the lower end, binned.
        y: the height.
        tooltip: what a bar says.
        series: the field that tells bars of one place apart, its values and their colours.
        row: what a chart of its own is drawn for; None: one chart.
        mark: how a bar looks.
    """
    color = None if series is None else colors(*series)
    bare = chart_of(data).mark_bar(**mark).encode(x=x, x2="high:Q", y=y)
    chart: alt.Chart = bare.encode(**_given(color=color, row=row), tooltip=list(tooltip))
    return chart


def matrix(
    cells: Mapping[tuple[str, str], tuple[float, str]],
    *,
    down: Sequence[str],
    across: Sequence[str],
    heads: tuple[str, str],
    title: str | None,
    axis: alt.Axis,
    height: float,
) -> AnyChart:
    """A box per cell, darker where its number from 0 to 1 is larger, with a text in it.

    Args:
        cells: (down, across) -> its number and its text.
        down, across: the names of the rows and of the columns in order.
        heads: what rows and columns are.
        title: beside the rows.
        axis: of the rows.
        height: of the chart.
    """
    data = [{"down": row, "across": column, "value": v, "text": t} for (row, column), (v, t) in cells.items()]
    top = alt.Axis(orient="top", labelAngle=-30, labelAlign="left", ticks=False, domain=False)
    base = chart_of(data).encode(
        x=alt.X("across:N", title=heads[1], sort=list(across), axis=top),
        y=alt.Y("down:N", title=title, sort=list(down), axis=axis),
    )
    shades = alt.Scale(domain=[0, 1], range=["#eef3f9", "#1d5c9c"], clamp=True)
    boxes = base.mark_rect(cornerRadius=3, stroke="white", strokeWidth=1).encode(
        color=alt.Color("value:Q", scale=shades, legend=None),
        tooltip=[alt.Tooltip("down:N", title=heads[0]), alt.Tooltip("across:N", title=heads[1]), alt.Tooltip("text:N")],
    )
    words = base.mark_text(fontSize=12).encode(
        text="text:N",
        color=alt.condition(f"datum.value > {_DARK_ABOVE}", alt.value("#ffffff"), alt.value("#1d2127")),
    )
    return alt.layer(boxes, words).properties(height=height)


def with_interval(name: str, interval: Interval) -> dict[str, object]:
    """A number as the fields of a datum: NAME, low, high and facts."""
    return {
        name: interval.estimate,
        "low": finite(interval.low),
        "high": finite(interval.high),
        "facts": interval.n,
    }


def interval_tooltip(name: str, form: str, title: str | None = None) -> list[alt.Tooltip]:
    """What a point says of the fields of `with_interval`."""
    return [
        alt.Tooltip(f"{name}:Q", format=form) if title is None else alt.Tooltip(f"{name}:Q", title=title, format=form),
        alt.Tooltip("low:Q", title="95% interval, low", format=form),
        alt.Tooltip("high:Q", title="high", format=form),
        alt.Tooltip("facts:Q", format=","),
    ]


def relative_change() -> alt.X:
    """The axis of changes of P(answer)."""
    return alt.X(
        "change:Q",
        title="mean relative change of P(answer)",
        axis=alt.Axis(format="+.0%", grid=False, tickCount=7, labelExpr="datum.value === 0 ? '0%' : datum.label"),
        scale=alt.Scale(padding=14),
    )


def layer_axis() -> alt.X:
    """The axis of layers."""
    return alt.X("layer:O", title="layer", axis=alt.Axis(labelAngle=0, labelOverlap=True))


def counts_axis(name: str, title: str) -> alt.Y:
    """The axis of whole numbers."""
    return alt.Y(f"{name}:Q", title=title, axis=alt.Axis(tickMinStep=1, format=",d"))


def diagonal() -> alt.Chart:
    """A dashed line from 0, 0 to 1, 1."""
    ends = chart_of([{"x": 0.0, "y": 0.0}, {"x": 1.0, "y": 1.0}])
    chart: alt.Chart = ends.mark_line(color=GREY, strokeDash=[4, 4], opacity=0.7).encode(x="x:Q", y="y:Q")
    return chart


def colors(field: str, names: Sequence[str], chosen: Sequence[str]) -> alt.Color:
    """A colour for every name, with a legend in one row where that fits."""
    scale = alt.Scale(domain=list(names), range=list(chosen[: len(names)]))
    in_one_row = sum(len(name) for name in names) <= _LEGEND_LETTERS
    return alt.Color(f"{field}:N", title=None, scale=scale, legend=alt.Legend(columns=len(names) if in_one_row else 1))


def shapes_of(field: str, names: Sequence[str], shapes: Sequence[str]) -> alt.Shape:
    """A shape for every name, beside its colour."""
    return alt.Shape(f"{field}:N", title=None, scale=alt.Scale(domain=list(names), range=list(shapes)))


def finite(value: float) -> float | None:
    """A number as a chart takes it: none for infinities."""
    return value if math.isfinite(value) else None


def chart_of(data: Rows) -> alt.Chart:
    """An empty chart of rows that it carries in itself."""
    return alt.Chart(alt.InlineData(values=[dict(row) for row in data]))


def _given(**options: Any) -> dict[str, Any]:
    """The options that are given: altair tells None from nothing."""
    return {name: value for name, value in options.items() if value is not None}
