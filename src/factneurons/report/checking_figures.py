"""The charts of fact-checking: ROC, calibration, and where right and wrong statements score."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import altair as alt
import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from factneurons.factcheck import measures
from factneurons.factcheck.conditions import CONDITIONS
from factneurons.findings.checks import CheckResult, Judged
from factneurons.report import numbers
from factneurons.report.checking import Checks
from factneurons.report.figures import BLUE, GREEN, GREY, ORANGE, Figure, chart_of, colors

Numbers = npt.NDArray[np.float64]

VIOLET, YELLOW = "#8a63d2", "#c9a227"
_COLORS = {
    "degenerate": ORANGE,
    "knowledge": BLUE,
    "random": GREY,
    "asking": GREEN,
    "probability": VIOLET,
    "true_false": YELLOW,
}
_SIDE = 320
_STEPS = np.linspace(0.0, 1.0, 51)
_BINS = 20


def checking_figures(checks: Checks) -> Iterator[Figure]:
    """Of the known facts' test statements."""
    if checks.known:
        yield roc(checks.known)
        yield calibration(checks.known)
        yield scores(checks.known)


def _titles(results: Sequence[CheckResult]) -> list[str]:
    return [CONDITIONS[each.judged.condition].title for each in results]


def _palette(results: Sequence[CheckResult]) -> alt.Color:
    return colors("condition", _titles(results), [_COLORS[each.judged.condition] for each in results])


def mean_roc(judged: Judged) -> Numbers:
    """True positive rates at the false positive rates of `_STEPS`, the mean over draws."""
    curves = []
    for column in judged.scores.T:
        wrong, found = measures.roc(judged.truth, column)
        curves.append(np.interp(_STEPS, wrong, found))  # where the curve is upright: its upper end
    result: Numbers = np.mean(curves, axis=0)
    return result


def roc(results: Sequence[CheckResult]) -> Figure:
    """The share of right statements found against the share of wrong ones taken for right."""
    data = [
        {"condition": title, "place": place, "wrong": float(x), "found": float(y)}
        for title, each in zip(_titles(results), results, strict=True)
        for place, (x, y) in enumerate(zip([0.0, *_STEPS], [0.0, *mean_roc(each.judged)], strict=True))
    ]
    diagonal = (
        chart_of([{"x": 0.0, "y": 0.0}, {"x": 1.0, "y": 1.0}])
        .mark_line(color=GREY, strokeDash=[4, 4], opacity=0.7)
        .encode(x="x:Q", y="y:Q")
    )
    lines = (
        chart_of(data)
        .mark_line(strokeWidth=2)
        .encode(
            x=alt.X("wrong:Q", title="wrong statements judged true", axis=alt.Axis(format="%")),
            y=alt.Y("found:Q", title="right statements judged true", axis=alt.Axis(format="%")),
            color=_palette(results),
            order="place:Q",
            tooltip=[
                alt.Tooltip("condition:N"),
                alt.Tooltip("wrong:Q", title="wrong ones", format=".0%"),
                alt.Tooltip("found:Q", title="right ones", format=".0%"),
            ],
        )
    )
    rows = tuple(
        (title, numbers.plain(each.measures["AUROC"].estimate), numbers.plain_range(each.measures["AUROC"]))
        for title, each in zip(_titles(results), results, strict=True)
    )
    caption = (
        "Every point is a threshold. A condition on the dashed line guesses; one in the upper left corner is always "
        "right. Random neurons: the mean of their draws."
    )
    chart = alt.layer(diagonal, lines).properties(height=_SIDE)
    return Figure(
        "check_roc",
        "Right from wrong at every threshold (ROC)",
        caption,
        chart,
        ("condition", "AUROC", "95% interval"),
        rows,
    )


def calibration(results: Sequence[CheckResult]) -> Figure:
    """What share of the statements is right that got some probability."""
    data: list[dict[str, object]] = []
    for title, each in zip(_titles(results), results, strict=True):
        for curve in measures.calibration_curve(each.judged.truth, each.judged.probabilities[:, 0]):
            data.append(
                {"condition": title, "predicted": curve.predicted, "true": curve.true, "statements": curve.count}
            )
    diagonal = (
        chart_of([{"x": 0.0, "y": 0.0}, {"x": 1.0, "y": 1.0}])
        .mark_line(color=GREY, strokeDash=[4, 4], opacity=0.7)
        .encode(x="x:Q", y="y:Q")
    )
    placed = chart_of(data).encode(
        x=alt.X("predicted:Q", title="P(true) by the training statements", axis=alt.Axis(format=".1f", tickCount=5)),
        y=alt.Y("true:Q", title="share that is right", axis=alt.Axis(format="%")),
        color=_palette(results),
    )
    points = placed.mark_point(filled=True, opacity=0.8).encode(
        size=alt.Size("statements:Q", scale=alt.Scale(range=[40, 400]), legend=None),
        tooltip=[
            alt.Tooltip("condition:N"),
            alt.Tooltip("predicted:Q", title="P(true)", format=".2f"),
            alt.Tooltip("true:Q", title="right", format=".0%"),
            alt.Tooltip("statements:Q", format=","),
        ],
    )
    chart = alt.layer(diagonal, points).properties(height=_SIDE)
    rows = tuple(
        (str(each["condition"]), f"{each['predicted']:.2f}", f"{each['true']:.2f}", str(each["statements"]))
        for each in data
    )
    caption = (
        "Test statements in ten bins of probability; a larger point holds more of them. On the dashed line "
        "probabilities are what they say. Random neurons: the first draw."
    )
    columns = ("condition", "P(true)", "share right", "statements")
    return Figure("check_calibration", "Are the probabilities right?", caption, chart, columns, rows)


def scores(results: Sequence[CheckResult]) -> Figure:
    """Where right and wrong statements lie among all test statements, by score."""
    kinds = {True: "right statements", False: "wrong statements"}
    data: list[dict[str, object]] = []
    for title, each in zip(_titles(results), results, strict=True):
        places = (rankdata(each.judged.scores[:, 0]) - 0.5) / len(each.judged.scores)
        for truth, kind in kinds.items():
            own = places[each.judged.truth == truth]
            counts, edges = np.histogram(own, bins=_BINS, range=(0.0, 1.0))
            for count, low, high in zip(counts.tolist(), edges[:-1].tolist(), edges[1:].tolist(), strict=True):
                data.append(
                    {"condition": title, "kind": kind, "low": low, "high": high, "share": count / max(1, len(own))}
                )
    chart = (
        chart_of(data)
        .mark_bar(opacity=0.6)
        .encode(
            x=alt.X(
                "low:Q", bin="binned", title="share of test statements that score lower", axis=alt.Axis(format="%")
            ),
            x2="high:Q",
            y=alt.Y("share:Q", title=None, stack=None, axis=alt.Axis(format="%", tickCount=3)),
            color=colors("kind", list(kinds.values()), [BLUE, ORANGE]),
            row=alt.Row(
                "condition:N",
                title=None,
                sort=_titles(results),
                header=alt.Header(labelAngle=0, labelAnchor="start", labelOrient="top", labelFontWeight=600),
            ),
            tooltip=[
                alt.Tooltip("kind:N"),
                alt.Tooltip("low:Q", title="from", format=".0%"),
                alt.Tooltip("share:Q", format=".1%"),
            ],
        )
        .properties(height=70)
        .resolve_scale(y="independent")
    )
    caption = (
        "Scores of different conditions have different units, so statements are placed by rank. What tells right from "
        "wrong has its right statements on the right. Random neurons: the first draw."
    )
    return Figure("check_scores", "Scores of right and wrong statements", caption, chart)
