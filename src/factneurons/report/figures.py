"""The charts: each from plain rows, with a title, a caption and the numbers it is drawn from.

Text in a chart is never a user's: no fact, subject or relation is in any of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import altair as alt
import numpy as np

from factneurons.findings.overview import ACTIONS, NEURON_SETS, PROMPTS, Findings
from factneurons.report import numbers
from factneurons.report.reading import Reading
from factneurons.report.text import NEURON_SETS as NEURON_SET_NAMES
from factneurons.report.text import PROMPTS as PROMPT_NAMES

BLUE, ORANGE, GREY, GREEN = "#3d85c6", "#d9641e", "#8a8f98", "#2f9e77"
"""Told apart by colour-blind readers, and seen on white as well as on black."""

_BINS = 20
_MOST_BARS = 30
_LEAST_ERROR = 1e-12
_WIDE_SPAN = 12.0
_LEGEND_LETTERS = 40
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
    chart: alt.Chart | alt.LayerChart | alt.FacetChart
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


def figures_of(reading: Reading, findings: Findings) -> list[Figure]:
    """The charts over all facts, those that there are numbers for."""
    drawn = [
        neurons_by_layer(reading),
        neuron_counts(reading),
        probabilities(reading),
        *(effects(findings, action) for action in ACTIONS),
        completeness(findings),
    ]
    return [figure for figure in drawn if figure is not None]


def neurons_by_layer(reading: Reading) -> Figure | None:
    """Where the neurons are: the share of each layer."""
    kinds = {"knowledge neurons": reading.knowledge_by_layer, "degenerate neurons": reading.degenerate_by_layer}
    kinds = {name: counts for name, counts in kinds.items() if counts.total()}
    if not kinds:
        return None
    data = [
        {"layer": layer, "kind": name, "share": counts[layer] / counts.total(), "count": counts[layer]}
        for name, counts in kinds.items()
        for layer in range(reading.layers)
    ]
    chart = (
        chart_of(data)
        .mark_bar()
        .encode(
            x=alt.X("layer:O", title="layer", axis=alt.Axis(labelAngle=0, labelOverlap=True)),
            xOffset=alt.XOffset("kind:N", sort=list(kinds)),
            y=alt.Y("share:Q", title="share of all neurons found", axis=alt.Axis(format="%")),
            color=colors("kind", list(kinds), [BLUE, ORANGE]),
            tooltip=[
                alt.Tooltip("kind:N", title="neurons"),
                alt.Tooltip("layer:O"),
                alt.Tooltip("count:Q", title="how many", format=","),
                alt.Tooltip("share:Q", format=".1%"),
            ],
        )
        .properties(height=260)
    )
    rows = [
        (str(layer), *(f"{numbers.count(c[layer])} ({numbers.percent(c[layer] / c.total())})" for c in kinds.values()))
        for layer in range(reading.layers)
    ]
    caption = "Each fact's neurons are counted; a neuron that serves several facts counts once for each of them."
    return Figure("neurons_by_layer", "Neurons by layer", caption, chart, ("layer", *kinds), tuple(rows))


def neuron_counts(reading: Reading) -> Figure | None:
    """How many knowledge neurons facts have."""
    counts = reading.facts["neurons"].to_numpy(np.int64)
    if not len(counts):
        return None
    width = max(1, math.ceil((int(counts.max()) + 1) / _MOST_BARS))
    starts = range(0, int(counts.max()) + 1, width)
    data = [
        {"low": start - 0.5, "high": start + width - 0.5, "label": _range(start, start + width - 1), "facts": facts}
        for start in starts
        for facts in [int(((counts >= start) & (counts < start + width)).sum())]
    ]
    chart = (
        chart_of(data)
        .mark_bar(color=BLUE, binSpacing=1)
        .encode(
            x=alt.X("low:Q", title="knowledge neurons", bin="binned", axis=alt.Axis(tickMinStep=1, format="d")),
            x2="high:Q",
            y=alt.Y("facts:Q", title="facts", axis=alt.Axis(tickMinStep=1, format=",d")),
            tooltip=[alt.Tooltip("label:N", title="neurons"), alt.Tooltip("facts:Q", format=",")],
        )
        .properties(height=220)
    )
    rows = tuple((str(row["label"]), numbers.count(int(str(row["facts"])))) for row in data if row["facts"])
    caption = "One fact counts once in each language it was asked in."
    return Figure("neuron_counts", "Knowledge neurons per fact", caption, chart, ("knowledge neurons", "facts"), rows)


def _range(low: int, high: int) -> str:
    return str(low) if low == high else f"{low}\N{EN DASH}{high}"


def probabilities(reading: Reading) -> Figure | None:
    """How sure the model is of the answers."""
    facts = reading.facts
    if not len(facts):
        return None
    kinds = {"known: the top prediction": True, "not known": False}
    edges = np.linspace(0, 1, _BINS + 1).tolist()
    bins = list(pairwise(edges))
    heights = {
        name: np.histogram(facts.loc[facts["known"] == known, "probability"].clip(0, 1), bins=edges)[0].tolist()
        for name, known in kinds.items()
    }
    data = [
        {"low": low, "high": high, "kind": name, "facts": height}
        for name in kinds
        for (low, high), height in zip(bins, heights[name], strict=True)
    ]
    chart = (
        chart_of(data)
        .mark_bar(binSpacing=1)
        .encode(
            x=alt.X(
                "low:Q",
                title="P(answer), untouched model",
                bin="binned",
                axis=alt.Axis(format=".1f", values=[i / 10 for i in range(11)]),
            ),
            x2="high:Q",
            y=alt.Y("facts:Q", title="facts", axis=alt.Axis(tickMinStep=1, format=",d")),
            color=colors("kind", list(kinds), [BLUE, GREY]),
            tooltip=[
                alt.Tooltip("kind:N", title="facts that are"),
                alt.Tooltip("low:Q", title="P from", format=".2f"),
                alt.Tooltip("high:Q", title="to", format=".2f"),
                alt.Tooltip("facts:Q", format=","),
            ],
        )
        .properties(height=220)
    )
    rows = [
        (f"{low:.2f} to {high:.2f}", *(numbers.count(heights[name][place]) for name in kinds))
        for place, (low, high) in enumerate(bins)
    ]
    caption = "The mean over the prompts that were asked. Known: the answer is the top prediction for one of them."
    return Figure("probabilities", "How probable the answers are", caption, chart, ("P(answer)", *kinds), tuple(rows))


def effects(findings: Findings, action: str) -> Figure | None:
    """What changing neurons does: found against random neurons, on the fact's own and on other prompts."""
    measured = [effect for effect in findings.effects if effect.action == action]
    if not measured:
        return None
    data = [
        {
            "neurons": NEURON_SET_NAMES[effect.neurons],
            "prompts": PROMPT_NAMES[effect.prompts],
            "change": effect.relative.estimate,
            "low": finite(effect.relative.low),
            "high": finite(effect.relative.high),
            "facts": effect.relative.n,
        }
        for effect in measured
    ]
    sets = [NEURON_SET_NAMES[name] for name in NEURON_SETS if any(effect.neurons == name for effect in measured)]
    groups = [PROMPT_NAMES[name] for name in PROMPTS if any(effect.prompts == name for effect in measured)]
    base = chart_of(data).encode(
        y=alt.Y("neurons:N", title=None, sort=sets, axis=NAMES_ABOVE_ROWS, scale=alt.Scale(paddingInner=0.45)),
        yOffset=alt.YOffset("prompts:N", sort=groups),
        color=colors("prompts", groups, [BLUE, ORANGE]),
    )
    change = alt.X(
        "change:Q",
        title="mean relative change of P(answer)",
        axis=alt.Axis(format="+.0%", grid=False, tickCount=7, labelExpr="datum.value === 0 ? '0%' : datum.label"),
        scale=alt.Scale(padding=14),
    )
    tooltip = [
        alt.Tooltip("neurons:N"),
        alt.Tooltip("prompts:N"),
        alt.Tooltip("change:Q", format="+.1%"),
        alt.Tooltip("low:Q", title="95% interval, low", format="+.1%"),
        alt.Tooltip("high:Q", title="high", format="+.1%"),
        alt.Tooltip("facts:Q", format=","),
    ]
    zero = alt.Chart(alt.InlineData(values=[{"zero": 0}])).mark_rule(strokeDash=[4, 3], color=GREY).encode(x="zero:Q")
    chart = alt.layer(
        zero,
        base.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=2).encode(x="low:Q", x2="high:Q"),
        base.mark_point(filled=True, size=80, opacity=1).encode(
            x=change, shape=_shapes("prompts", groups), tooltip=tooltip
        ),
    ).properties(height=62 * len(sets))
    rows = tuple(
        (
            NEURON_SET_NAMES[effect.neurons],
            PROMPT_NAMES[effect.prompts],
            f"{numbers.change(effect.relative.estimate)} {numbers.change_range(effect.relative)}",
            numbers.count(effect.relative.n),
        )
        for effect in measured
    )
    verb = {"suppress": "Suppressing neurons", "enhance": "Enhancing neurons"}[action]
    what = {"suppress": "set to 0", "enhance": "doubled"}[action]
    caption = f"Values {what}. Points: mean over facts; lines: 95% bootstrap interval, subjects resampled."
    columns = ("neurons", "asked", "change of P(answer)", "facts")
    return Figure(f"effect_of_{action}", verb, caption, chart, columns, rows)


def completeness(findings: Findings) -> Figure | None:
    """How well the scores of a layer add up."""
    if not findings.layer_errors:
        return None
    kinds = ["median; bars: middle 90% of the prompts", "largest"]
    middle = [
        {"layer": each.layer, "low": max(each.low, _LEAST_ERROR), "high": max(each.high, _LEAST_ERROR)}
        for each in findings.layer_errors
    ]
    points = [
        {"layer": each.layer, "kind": kind, "error": max(value, _LEAST_ERROR), "prompts": each.prompts}
        for each in findings.layer_errors
        for kind, value in zip(kinds, (each.median, each.largest), strict=True)
    ]
    x = alt.X("layer:O", title="layer", axis=alt.Axis(labelAngle=0, labelOverlap=True))
    decades = _decades([row["low"] for row in middle], [float(str(row["error"])) for row in points])
    scale = alt.Scale(type="log", domain=[decades[0], decades[-1]])
    chart = alt.layer(
        chart_of(middle)
        .mark_rule(strokeWidth=6, opacity=0.3, color=BLUE)
        .encode(x=x, y=alt.Y("low:Q", scale=scale), y2="high:Q"),
        chart_of(points)
        .mark_point(filled=True, size=55, opacity=1)
        .encode(
            x=x,
            y=alt.Y("error:Q", scale=scale, title="completeness error", axis=alt.Axis(format="~e", values=decades)),
            color=colors("kind", kinds, [BLUE, ORANGE]),
            shape=_shapes("kind", kinds),
            tooltip=[
                alt.Tooltip("layer:O"),
                alt.Tooltip("kind:N", title="error"),
                alt.Tooltip("error:Q", title="is", format=".1e"),
                alt.Tooltip("prompts:Q", format=","),
            ],
        ),
    ).properties(height=240)
    rows = tuple(
        (str(each.layer), *(numbers.plain(value) for value in (each.median, each.low, each.high, each.largest)))
        for each in findings.layer_errors
    )
    caption = (
        "|sum of the layer's scores \N{MINUS SIGN} (P at the activation \N{MINUS SIGN} P at the baseline)| by prompt,"
        " in units of probability, on a logarithmic scale."
    )
    columns = ("layer", "median", "5% below", "95% below", "largest")
    return Figure("completeness", "How well the scores add up", caption, chart, columns, rows)


def _decades(*values: Sequence[float]) -> list[float]:
    """The powers of ten around all values."""
    logs = np.log10(np.concatenate(values))
    low, high = math.floor(logs.min()), math.ceil(logs.max())
    return [10.0**power for power in range(low, max(high, low + 1) + 1)]


def barcode(number: int, bars: Sequence[Mapping[str, Any]]) -> Figure | None:
    """The clusters of one fact's knowledge neurons: each from its birth to its death.

    Args:
        number: the fact's number in the report.
        bars: rows of the table `barcodes`.
    """
    if not bars:
        return None
    ends = [float(bar["death"]) for bar in bars if math.isfinite(bar["death"])]
    end = max([*ends, *(float(bar["birth"]) for bar in bars)])
    kinds = ["chosen as a candidate", "not chosen"]
    ordered = sorted(bars, key=lambda bar: (bar["birth"], bar["death"], bar["size"]))
    data = [
        {
            "place": place,
            "birth": float(bar["birth"]),
            "death": float(bar["death"]) if math.isfinite(bar["death"]) else 1.08 * end,
            "dies": numbers.plain(bar["death"]) if math.isfinite(bar["death"]) else "never",
            "size": int(bar["size"]),
            "kind": kinds[0] if bar["chosen"] else kinds[1],
        }
        for place, bar in enumerate(ordered)
    ]
    scale = _distance_scale(ends, end)
    step = max(2.0, min(9.0, 320 / len(data)))
    chart = (
        chart_of(data)
        .mark_bar(height={"band": 0.72})
        .encode(
            x=alt.X("birth:Q", title="distance, 1 / |weight|", scale=scale, axis=alt.Axis(tickCount=6)),
            x2="death:Q",
            y=alt.Y("place:O", axis=None),
            color=colors("kind", kinds, [ORANGE, GREY]),
            tooltip=[
                alt.Tooltip("size:Q", title="neurons"),
                alt.Tooltip("birth:Q", title="born at", format=".3~g"),
                alt.Tooltip("dies:N", title="dies at"),
                alt.Tooltip("kind:N", title="cluster"),
            ],
        )
        .properties(height=round(step * len(data)))
    )
    caption = "One bar per cluster, from the distance at which it forms to the one at which it merges."
    if scale.to_dict().get("type") == "symlog":
        caption += " Large distances are drawn closer together."
    return Figure(f"barcode_{number:04d}", f"Barcode of fact {number}", caption, chart)


def _distance_scale(ends: Sequence[float], end: float) -> alt.Scale:
    """Linear, unless a few long bars would squeeze all others: then it grows by factors above the typical death."""
    typical = float(np.median(ends)) if ends else 0.0
    if typical > 0 and end / typical > _WIDE_SPAN:
        return alt.Scale(type="symlog", constant=typical)
    return alt.Scale(zero=True)


def chart_of(data: Sequence[Mapping[str, object]]) -> alt.Chart:
    """An empty chart of rows that it carries in itself."""
    return alt.Chart(alt.InlineData(values=[dict(row) for row in data]))


def colors(field: str, names: Sequence[str], chosen: Sequence[str]) -> alt.Color:
    """A colour for every name, with a legend in one row where that fits."""
    scale = alt.Scale(domain=list(names), range=list(chosen[: len(names)]))
    in_one_row = sum(len(name) for name in names) <= _LEGEND_LETTERS
    return alt.Color(f"{field}:N", title=None, scale=scale, legend=alt.Legend(columns=len(names) if in_one_row else 1))


def _shapes(field: str, names: Sequence[str]) -> alt.Shape:
    return alt.Shape(f"{field}:N", title=None, scale=alt.Scale(domain=list(names), range=["circle", "diamond"]))


def finite(value: float) -> float | None:
    """A number as a chart takes it: none for infinities."""
    return value if math.isfinite(value) else None
