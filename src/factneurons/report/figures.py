"""The charts over all facts of a run, and the barcode of one fact."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import altair as alt
import numpy as np

from factneurons.attribution.settings import ACTIONS
from factneurons.findings.acquisition import KINDS
from factneurons.findings.effects import NEURONS, PROMPTS, RANDOM_FOR
from factneurons.findings.overview import Findings
from factneurons.report import numbers
from factneurons.report.charts import (
    BLUE,
    GREY,
    ORANGE,
    AnyChart,
    Figure,
    bars,
    chart_of,
    colors,
    counts_axis,
    curves,
    histogram,
    interval_tooltip,
    layer_axis,
    points,
    relative_change,
    shapes_of,
    with_interval,
)
from factneurons.report.reading import Reading
from factneurons.report.text import NEURON_SETS, VALUES
from factneurons.report.text import PROMPTS as PROMPT_NAMES
from factneurons.statistics import Finding, Interval

MOST_GROUPS = 7
"""Facts with more groups are in the table only, as in the figure of 'Cracking Factual Knowledge' (ACL 2025)."""

_BINS = 20
_MOST_BARS = 30
_LEAST_ERROR = 1e-12
_WIDE_SPAN = 12.0
_LOSS_HEIGHT = 240
_SHAPES = ("circle", "diamond")
_RANDOM = "random partitions of the same sizes"
_GROUPS = {
    "components": ("components", "Loss as components are suppressed"),
    "candidates": ("candidates, before the functional tests", "Loss as candidate clusters are suppressed"),
}


def figures_of(reading: Reading, findings: Findings) -> list[Figure]:
    """The charts over all facts, those that there are numbers for."""
    drawn = [
        neurons_by_layer(reading),
        neuron_counts(reading),
        probabilities(reading),
        *(effects(findings, action) for action in ACTIONS),
        completeness(findings),
        *(acquisition(findings, which) for which in KINDS),
    ]
    return [figure for figure in drawn if figure is not None]


def neurons_by_layer(reading: Reading) -> Figure | None:
    """Where the neurons are: the share of each layer."""
    kinds = {"knowledge neurons": reading.knowledge_by_layer, "degenerate neurons": reading.degenerate_by_layer}
    caption = "Each fact's neurons are counted; a neuron that serves several facts counts once for each of them."
    words = ("neurons_by_layer", "Neurons by layer", caption)
    return by_layer(words, kinds, reading.layers, [BLUE, ORANGE], "share of all neurons found")


def by_layer(
    words: tuple[str, str, str], kinds: Mapping[str, Counter[int]], layers: int, shades: Sequence[str], share: str
) -> Figure | None:
    """The share of each layer, of several kinds of neurons; None without any.

    Args:
        words: name, title and caption.
        kinds: what they are called -> layer -> how many.
        layers: how many layers the model has.
        shades: a colour for each kind that has neurons.
        share: what is shared out.
    """
    kinds = {name: counts for name, counts in kinds.items() if counts.total()}
    if not kinds:
        return None
    chart = bars(
        [
            {"layer": layer, "kind": name, "share": counts[layer] / counts.total(), "count": counts[layer]}
            for name, counts in kinds.items()
            for layer in range(layers)
        ],
        x=layer_axis(),
        y=alt.Y("share:Q", title=share, axis=alt.Axis(format="%")),
        series=("kind", list(kinds), shades),
        tooltip=[
            alt.Tooltip("kind:N", title="neurons"),
            alt.Tooltip("layer:O"),
            alt.Tooltip("count:Q", title="how many", format=","),
            alt.Tooltip("share:Q", format=".1%"),
        ],
        height=260,
    )
    rows = tuple(
        (str(layer), *(f"{numbers.count(c[layer])} ({numbers.percent(c[layer] / c.total())})" for c in kinds.values()))
        for layer in range(layers)
    )
    return Figure(*words, chart, ("layer", *kinds), rows)


def neuron_counts(reading: Reading) -> Figure | None:
    """How many knowledge neurons facts have."""
    counts = reading.facts["neurons"].to_numpy(np.int64)
    if not len(counts):
        return None
    width = max(1, math.ceil((int(counts.max()) + 1) / _MOST_BARS))
    data = [
        {"low": start - 0.5, "high": start + width - 0.5, "label": _range(start, start + width - 1), "facts": facts}
        for start in range(0, int(counts.max()) + 1, width)
        for facts in [int(((counts >= start) & (counts < start + width)).sum())]
    ]
    chart = histogram(
        data,
        x=alt.X("low:Q", title="knowledge neurons", bin="binned", axis=alt.Axis(tickMinStep=1, format="d")),
        y=counts_axis("facts", "facts"),
        tooltip=[alt.Tooltip("label:N", title="neurons"), alt.Tooltip("facts:Q", format=",")],
        color=BLUE,
        binSpacing=1,
    ).properties(height=220)
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
    tenths = alt.Axis(format=".1f", values=[i / 10 for i in range(11)])
    chart = histogram(
        [
            {"low": low, "high": high, "kind": name, "facts": height}
            for name in kinds
            for (low, high), height in zip(bins, heights[name], strict=True)
        ],
        x=alt.X("low:Q", title="P(answer), untouched model", bin="binned", axis=tenths),
        y=counts_axis("facts", "facts"),
        series=("kind", list(kinds), [BLUE, GREY]),
        tooltip=[
            alt.Tooltip("kind:N", title="facts that are"),
            alt.Tooltip("low:Q", title="P from", format=".2f"),
            alt.Tooltip("high:Q", title="to", format=".2f"),
            alt.Tooltip("facts:Q", format=","),
        ],
        binSpacing=1,
    ).properties(height=220)
    rows = tuple(
        (f"{low:.2f} to {high:.2f}", *(numbers.count(heights[name][place]) for name in kinds))
        for place, (low, high) in enumerate(bins)
    )
    caption = "The mean over the prompts that were asked. Known: the answer is the top prediction for one of them."
    return Figure("probabilities", "How probable the answers are", caption, chart, ("P(answer)", *kinds), rows)


def effects(findings: Findings, action: str) -> Figure | None:
    """What changing neurons does: found against random neurons, on the fact's own and on other prompts."""
    measured = [
        (NEURON_SETS[neurons], PROMPT_NAMES[effect.prompts], interval)
        for effect in findings.effects
        if effect.action == action
        for neurons, interval in found_and_random(effect.neurons, effect.relative)
        if interval.n
    ]
    if not measured:
        return None
    sets = [NEURON_SETS[f"{prefix}{name}"] for name in NEURONS for prefix in ("", RANDOM_FOR)]
    sets = [name for name in sets if any(name == neurons for neurons, _, _ in measured)]
    groups = [
        PROMPT_NAMES[each] for each in PROMPTS if any(prompts == PROMPT_NAMES[each] for _, prompts, _ in measured)
    ]
    chart = points(
        [
            {"neurons": neurons, "prompts": prompts, **with_interval("change", interval)}
            for neurons, prompts, interval in measured
        ],
        row=("neurons", sets),
        series=("prompts", groups, [BLUE, ORANGE]),
        x=relative_change(),
        tooltip=[alt.Tooltip("neurons:N"), alt.Tooltip("prompts:N"), *interval_tooltip("change", "+.1%")],
        height=62 * len(sets),
        zero=(4, 3),
        shapes=_SHAPES,
    )
    rows = tuple(
        (neurons, prompts, numbers.with_range(interval, numbers.change), numbers.count(interval.n))
        for neurons, prompts, interval in measured
    )
    verb = {"suppress": "What suppressing neurons does", "enhance": "What enhancing neurons does"}[action]
    caption = (
        f"The change of the answer's probability with the neurons' values {VALUES[action]}. Points: mean over facts;"
        " lines: 95% bootstrap interval, subjects resampled. Matched: as many, of the same layers, as strong."
    )
    columns = ("neurons", "asked", "change of P(answer)", "facts")
    return Figure(f"effect_of_{action}", verb, caption, chart, columns, rows)


def found_and_random(name: str, finding: Finding) -> Iterator[tuple[str, Interval]]:
    """A number and, where there is one, that of the random neurons or partitions beside it."""
    yield name, finding.interval
    if finding.control is not None:
        yield f"{RANDOM_FOR}{name}", finding.control


def completeness(findings: Findings) -> Figure | None:
    """How well the scores of a layer add up."""
    if not findings.layer_errors:
        return None
    kinds = ["median; bars: middle 90% of the prompts", "largest"]
    middle = [
        {"layer": each.layer, "low": max(each.low, _LEAST_ERROR), "high": max(each.high, _LEAST_ERROR)}
        for each in findings.layer_errors
    ]
    errors = [
        {"layer": each.layer, "kind": kind, "error": max(value, _LEAST_ERROR), "prompts": each.prompts}
        for each in findings.layer_errors
        for kind, value in zip(kinds, (each.median, each.largest), strict=True)
    ]
    x = layer_axis()
    decades = _decades([row["low"] for row in middle], [float(str(row["error"])) for row in errors])
    scale = alt.Scale(type="log", domain=[decades[0], decades[-1]])
    tooltip = [
        alt.Tooltip("layer:O"),
        alt.Tooltip("kind:N", title="error"),
        alt.Tooltip("error:Q", title="is", format=".1e"),
        alt.Tooltip("prompts:Q", format=","),
    ]
    y = alt.Y("error:Q", scale=scale, title="completeness error", axis=alt.Axis(format="~e", values=decades))
    chart = alt.layer(
        chart_of(middle)
        .mark_rule(strokeWidth=6, opacity=0.3, color=BLUE)
        .encode(x=x, y=alt.Y("low:Q", scale=scale), y2="high:Q"),
        chart_of(errors)
        .mark_point(filled=True, size=55, opacity=1)
        .encode(
            x=x,
            y=y,
            color=colors("kind", kinds, [BLUE, ORANGE]),
            shape=shapes_of("kind", kinds, _SHAPES),
            tooltip=tooltip,
        ),
    ).properties(height=240)
    rows = tuple(
        (str(each.layer), *(numbers.plain(value) for value in (each.median, each.low, each.high, each.largest)))
        for each in findings.layer_errors
    )
    caption = (
        "|sum of the layer's scores \N{MINUS SIGN} (P at the activation \N{MINUS SIGN} P at the baseline)| by prompt,"
        " in units of probability, on a logarithmic scale."
        + (" The path leads through all layers at once: one number for all of them, shown at each." * findings.joint)
    )
    columns = ("layer", "median", "5% below", "95% below", "largest")
    return Figure("completeness", "How well the scores add up", caption, chart, columns, rows)


def _decades(*values: Sequence[float]) -> list[float]:
    """The powers of ten around all values."""
    logs = np.log10(np.concatenate(values))
    low, high = math.floor(logs.min()), math.ceil(logs.max())
    return [10.0**power for power in range(low, max(high, low + 1) + 1)]


def acquisition(findings: Findings, which: str) -> Figure | None:
    """What is lost as more and more of a fact's groups are suppressed; a panel per number of groups."""
    own = [each for each in findings.losses if each.under["which"] == which]
    name, title = _GROUPS[which]
    losses = [
        (int(each.under["groups"]), int(each.under["suppressed"]), kind, interval)
        for kind, intervals in ((name, [e.interval for e in own]), (_RANDOM, [e.control for e in own]))
        for each, interval in zip(own, intervals, strict=True)
        if interval is not None
    ]
    drawn = [each for each in losses if each[0] <= MOST_GROUPS]
    if not drawn:
        return None
    rows = tuple(
        (str(groups), str(suppressed), kind, numbers.with_range(drop, numbers.percent), numbers.count(drop.n))
        for groups, suppressed, kind, drop in losses
    )
    caption = (
        "One panel per number of groups that a fact has. Groups that back each other up lose nothing until the last one"
        " is suppressed. Lines up and down: 95% bootstrap intervals, subjects resampled."
    )
    if len(drawn) < len(losses):
        caption += f" Facts with more than {MOST_GROUPS} groups are in the table only."
    columns = ("groups", "suppressed", "which", "loss of P(answer)", "facts")
    return Figure(f"acquisition_{which}", title, caption, _losses(drawn, [name, _RANDOM]), columns, rows)


def _losses(drawn: Sequence[tuple[int, int, str, Interval]], kinds: Sequence[str]) -> AnyChart:
    panels = sorted({groups for groups, _, _, _ in drawn})
    places = [f"{groups}|{k}" for groups in panels for k in (*range(1, groups + 1), "")]
    x = alt.X(
        "place:N",
        title="groups suppressed",
        sort=places,
        scale=alt.Scale(domain=places[:-1]),
        axis=alt.Axis(labelAngle=0, labelExpr="split(datum.label, '|')[1]", ticks=False, domain=False, titlePadding=28),
    )
    names = [{"place": f"{groups}|{(groups + 1) // 2}", "name": f"of {groups}"} for groups in panels]
    heads = chart_of(names).mark_text(dy=32, fontWeight=600, color=GREY)
    return curves(
        [
            {
                "place": f"{groups}|{suppressed}",
                "groups": groups,
                "suppressed": suppressed,
                "kind": kind,
                **with_interval("drop", drop),
            }
            for groups, suppressed, kind, drop in drawn
        ],
        x=x,
        y=alt.Y("drop:Q", title="mean relative loss of P(answer)", axis=alt.Axis(format=".0%")),
        color=colors("kind", kinds, [BLUE, GREY]),
        tooltip=[
            alt.Tooltip("kind:N", title="groups"),
            alt.Tooltip("suppressed:Q", title="suppressed"),
            alt.Tooltip("groups:Q", title="of"),
            *interval_tooltip("drop", "+.1%", title="loss"),
        ],
        detail=["kind:N", "groups:N"],
        width=2,
        more=[heads.encode(x=x, y=alt.value(_LOSS_HEIGHT), text="name:N")],
    ).properties(height=_LOSS_HEIGHT)


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
    step = max(2.0, min(9.0, 240 / len(data)))
    chart = (
        chart_of(data)
        .mark_bar(height={"band": 0.72})
        .encode(
            x=alt.X("birth:Q", title="distance, 1 / |weight|", scale=scale, axis=alt.Axis(tickCount=6)),
            x2="death:Q",
            y=alt.Y("place:O", axis=None),
            color=colors("kind", kinds, [ORANGE, GREY]) if any(bar["chosen"] for bar in bars) else alt.value(BLUE),
            tooltip=[
                alt.Tooltip("size:Q", title="neurons"),
                alt.Tooltip("birth:Q", title="born at", format=".3~g"),
                alt.Tooltip("dies:N", title="dies at"),
                alt.Tooltip("kind:N", title="cluster"),
            ],
        )
        .properties(height=round(step * len(data)))
    )
    caption = (
        "Barcode: as a radius grows, neurons that are closer than it join, the strongest connections first. One bar per"
        " group that so forms, until it merges into a larger one; long bars hold together well."
    )
    if scale.to_dict().get("type") == "symlog":
        caption += " Large distances are drawn closer together."
    return Figure(f"barcode_{number:04d}", f"Barcode of fact {number}", caption, chart)


def _distance_scale(ends: Sequence[float], end: float) -> alt.Scale:
    """Linear, unless a few long bars would squeeze all others: then it grows by factors above the typical death."""
    typical = float(np.median(ends)) if ends else 0.0
    if typical > 0 and end / typical > _WIDE_SPAN:
        return alt.Scale(type="symlog", constant=typical)
    return alt.Scale(zero=True)
