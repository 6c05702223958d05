"""What the report says of fact-checking: the table of conditions, examples, and the charts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import altair as alt
import numpy as np
import pandas as pd

from factneurons.factcheck import measures
from factneurons.findings.checks import MEASURES, CheckResult, Judged, results_of, title_of
from factneurons.report import numbers
from factneurons.report.charts import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    Figure,
    chart_of,
    colors,
    diagonal,
    histogram,
)
from factneurons.runs.reading import speakers_of
from factneurons.runs.store import Run
from factneurons.statistics import Numbers

_EXAMPLES_OF_A_KIND = 4
_EXAMPLES_BY = ("degenerate", "knowledge", "probability")
_COLORS = {
    "degenerate": ORANGE,
    "knowledge": BLUE,
    "random": GREY,
    "asking": GREEN,
    "probability": "#8a63d2",
    "true_false": "#c9a227",
}
_SIDE = 320
_STEPS = np.linspace(0.0, 1.0, 51)
_BINS = 20


@dataclass(frozen=True, slots=True)
class Example:
    """One judged test statement.

    Attributes:
        row: its columns of the table `checks`.
        text: the whole sentence.
        judged: whether it was judged true.
        score, threshold, probability: what that rests on.
        neurons: those that say most, "L3.427 +31%".
    """

    row: dict[str, object]
    text: str
    judged: bool
    score: float
    threshold: float
    probability: float
    neurons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CheckSection:
    """Everything the section shows.

    Attributes:
        tables: what facts each is about -> conditions with their measures.
        measures: the measures of the tables' columns: name -> meaning.
        examples: judged statements.
        examples_by: the condition that judged them.
        sentences: the main findings in words.
    """

    tables: dict[str, list[CheckResult]]
    measures: dict[str, str]
    examples: list[Example]
    examples_by: str
    sentences: list[str]

    @property
    def known(self) -> list[CheckResult]:
        """The results on facts that the model knows."""
        return [each for each in self.results if each.judged.known]

    @property
    def results(self) -> list[CheckResult]:
        """All results."""
        return [each for table in self.tables.values() for each in table]


def checks_of(run: Run) -> CheckSection | None:
    """What is said of a run's checks; None without any."""
    if "check" not in run.manifest.stages:
        return None
    checks = run.table("checks")
    if checks.empty:
        return None
    results = results_of(checks)
    tables = {
        "Facts that the model knows": [each for each in results if each.judged.known],
        "Facts that the model does not know": [each for each in results if not each.judged.known],
    }
    by = {each.judged.condition: each.judged for each in results if each.judged.known}
    shown = next((by[name] for name in _EXAMPLES_BY if name in by), None)
    return CheckSection(
        tables={title: table for title, table in tables.items() if table},
        measures={name: meaning for name, (meaning, _, _) in MEASURES.items()},
        examples=[] if shown is None else list(_examples(shown)),
        examples_by="" if shown is None else title_of(shown.condition),
        sentences=list(_sentences(checks, tables["Facts that the model knows"])),
    )


def _sentences(checks: pd.DataFrame, known: Sequence[CheckResult]) -> Iterator[str]:
    facts = checks.drop_duplicates(["fact_id", "language"])
    count, knows = len(facts), int(facts["known"].sum())
    yield (
        f"{count:,} facts gave a right and a wrong statement each; the model knows {knows:,} of them. Thresholds were "
        f"chosen on {int((facts['known'] & (facts['split'] == 'train')).sum()):,} known facts, and tried on facts "
        "about other subjects."
    )
    if not knows:
        yield "The model knows none of these facts, so there are no neurons to ask and no thresholds."
    told = [each for each in known if each.could_tell]
    if told:
        best = max(told, key=lambda each: each.measures["F1"].value)
        yield f"The best F1 is that of {best.title}: {numbers.in_line(best.measures['F1'].interval, '{:.3f}'.format)}."
    named = {each.judged.condition: each for each in known}
    for name in ("degenerate", "knowledge"):
        if name in named and "random" in named:
            own, random = named[name].measures["AUROC"], named["random"].measures["AUROC"]
            yield (
                f"Of a right and a wrong statement, {named[name].title} score the right one higher in "
                f"{own.value:.1%} of the pairs, random neurons in {random.value:.1%}."
            )


def _examples(judged: Judged) -> Iterator[Example]:
    """A few of every kind: right or wrong, judged true or doubtful; spread over the statements."""
    truth, verdict = judged.truth, judged.judged[:, 0]
    for true, said in ((True, True), (True, False), (False, False), (False, True)):
        rows = np.flatnonzero((truth == true) & (verdict == said))
        for row in rows[np.linspace(0, len(rows) - 1, min(_EXAMPLES_OF_A_KIND, len(rows)), dtype=int)]:
            record = {str(name): value for name, value in judged.frame.iloc[int(row)].to_dict().items()}
            yield Example(
                row=record,
                text=str(record["prompt"]).replace("___", str(record["candidate"])),
                judged=bool(verdict[row]),
                score=float(judged.scores[row, 0]),
                threshold=float(judged.thresholds[row, 0]),
                probability=float(judged.probabilities[row, 0]),
                neurons=tuple(f"L{name.replace('/', '.')} {share:+.0%}" for name, share in speakers_of(record)),
            )


def check_figures(checks: CheckSection) -> Iterator[Figure]:
    """Of the known facts' test statements."""
    if checks.known:
        yield roc(checks.known)
        yield calibration(checks.known)
        yield scores(checks.known)


def _palette(results: Sequence[CheckResult]) -> alt.Color:
    return colors("condition", [each.title for each in results], [_COLORS[each.judged.condition] for each in results])


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
        {"condition": each.title, "place": place, "wrong": float(x), "found": float(y)}
        for each in results
        for place, (x, y) in enumerate(zip([0.0, *_STEPS], [0.0, *mean_roc(each.judged)], strict=True))
    ]
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
        (each.title, numbers.plain(each.measures["AUROC"].value), numbers.plain_range(each.measures["AUROC"].interval))
        for each in results
    )
    caption = (
        "Every point is a threshold. A condition on the dashed line guesses; one in the upper left corner is always "
        "right. Random neurons: the mean of their draws."
    )
    chart = alt.layer(diagonal(), lines).properties(height=_SIDE)
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
    for each in results:
        for curve in measures.calibration_curve(each.judged.truth, each.judged.probabilities[:, 0]):
            data.append(
                {"condition": each.title, "predicted": curve.predicted, "true": curve.true, "statements": curve.count}
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
    chart = alt.layer(diagonal(), points).properties(height=_SIDE)
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
    from scipy.stats import rankdata  # here, because it takes longer to load than the whole report to write

    kinds = {True: "right statements", False: "wrong statements"}
    data: list[dict[str, object]] = []
    for each in results:
        places = (rankdata(each.judged.scores[:, 0]) - 0.5) / len(each.judged.scores)
        for truth, kind in kinds.items():
            own = places[each.judged.truth == truth]
            counts, edges = np.histogram(own, bins=_BINS, range=(0.0, 1.0))
            for count, low, high in zip(counts.tolist(), edges[:-1].tolist(), edges[1:].tolist(), strict=True):
                data.append(
                    {"condition": each.title, "kind": kind, "low": low, "high": high, "share": count / max(1, len(own))}
                )
    ranks = alt.X("low:Q", bin="binned", title="share of test statements that score lower", axis=alt.Axis(format="%"))
    above = alt.Header(labelAngle=0, labelAnchor="start", labelOrient="top", labelFontWeight=600)
    chart = (
        histogram(
            data,
            x=ranks,
            y=alt.Y("share:Q", title=None, stack=None, axis=alt.Axis(format="%", tickCount=3)),
            series=("kind", list(kinds.values()), [BLUE, ORANGE]),
            row=alt.Row("condition:N", title=None, sort=[each.title for each in results], header=above),
            tooltip=[
                alt.Tooltip("kind:N"),
                alt.Tooltip("low:Q", title="from", format=".0%"),
                alt.Tooltip("share:Q", format=".1%"),
            ],
            opacity=0.6,
        )
        .properties(height=70)
        .resolve_scale(y="independent")
    )
    caption = (
        "Scores of different conditions have different units, so statements are placed by rank. What tells right from "
        "wrong has its right statements on the right. Random neurons: the first draw."
    )
    return Figure("check_scores", "Scores of right and wrong statements", caption, chart)
