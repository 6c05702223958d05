"""The benchmark's charts: dots with intervals for contestants, heatmaps for regimes and verdicts."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import altair as alt
import pandas as pd

from factneurons.benchmark.settings import JUDGED, ORACLE, VERDICTS
from factneurons.benchmark.summary import COMPARED, by_regime, confusion
from factneurons.benchmark.tables import HEADINGS, MEASURE_NAMES, SHOWN, ranked, source_name, sources, with_interval
from factneurons.planted.types import REGIMES
from factneurons.report.charts import BLUE, GREEN, GREY, ORANGE, Figure, finite, interval_tooltip, matrix, points

_COLORS = (BLUE, ORANGE, GREEN, "#8d6bb8", GREY)
_SHAPES = ("circle", "diamond", "square", "triangle-up", "cross")
_ROW, _CELL = 15, 30
_LETTERS = 220
_NAMES = alt.Axis(labelLimit=_LETTERS, ticks=False, domain=False, labelPadding=8)
_TITLES = {"localisation": "Which neurons", "grouping": "Which groups", "verdict": "Which verdict"}


def benchmark_figures(table: pd.DataFrame, summed: pd.DataFrame) -> list[Figure]:
    """All charts of a benchmark's planted facts.

    Args:
        table: the rows about them; without any there are no charts.
        summed: their `summary`.
    """
    if table.empty:
        return []
    drawn = [localisation_dots(summed), heatmap_by_regime(table, summed, "localisation", "")]
    for part in ("grouping", "verdict"):
        drawn += [dots_by_source(summed, part, measure) for measure in SHOWN[part]]
        drawn += [heatmap_by_regime(table, summed, part, source) for source in sources(table)]
    drawn += [confusion_figure(table, summed, source) for source in sources(table)]
    return drawn


def localisation_dots(summed: pd.DataFrame) -> Figure:
    """Average precision, precision, recall and held-out loss of every method."""
    own = summed[summed["part"] == "localisation"]
    rows = [
        {**_row(row), "series": MEASURE_NAMES[row["measure"]]}
        for row in own.to_dict("records")
        if row["measure"] in SHOWN["localisation"] and row["facts"]
    ]
    series = [MEASURE_NAMES[measure] for measure in SHOWN["localisation"]]
    caption = (
        "Average precision of the scores of all neurons; precision, recall and held-out loss at the method's own "
        "threshold. "
        "Lines: 95% bootstrap intervals, planted models resampled."
    )
    title = "Which neurons: every method, by average precision"
    return _dots("localisation", title, caption, rows, ranked(summed, "localisation"), series, "method")


def dots_by_source(summed: pd.DataFrame, part: str, measure: str) -> Figure:
    """One measure of every clusterer, for the true and for the found neurons."""
    own = summed[(summed["part"] == part) & (summed["measure"] == measure) & (summed["contestant"] != ORACLE)]
    rows = [{**_row(row), "series": source_name(row["neurons"])} for row in own.to_dict("records") if row["facts"]]
    series = [source_name(source) for source in sources(own)]
    caption = f"Lines: 95% bootstrap intervals, planted models resampled. Sorted by {MEASURE_NAMES[COMPARED[part]]}."
    title = f"{_TITLES[part]}: {MEASURE_NAMES[measure]} of every clusterer"
    return _dots(f"{part}_{measure}", title, caption, rows, ranked(summed, part), series, "clusterer")


def heatmap_by_regime(table: pd.DataFrame, summed: pd.DataFrame, part: str, neurons: str) -> Figure:
    """The compared measure of a part by regime."""
    found = by_regime(table, part)
    measure = MEASURE_NAMES[COMPARED[part]]
    own = found.loc[found.index.get_level_values("neurons") == neurons]
    cells = {
        (str(name), str(regime)): float(value)
        for name, row in own.droplevel("neurons").iterrows()
        for regime, value in row.items()
        if pd.notna(value)
    }
    ordered = ranked(summed, part, neurons)
    regimes = [regime for regime in REGIMES if any(regime == other for _, other in cells)]
    where = f", {source_name(neurons)}" if neurons else ""
    return _heatmap(
        f"{part}_by_regime" + (f"_{neurons.replace(' ', '_')}" if neurons else ""),
        f"{_TITLES[part]}: {measure} by regime{where}",
        "Means over the facts of each regime.",
        {key: (value, f"{value:.2f}") for key, value in cells.items()},
        ordered,
        regimes,
        (HEADINGS[part], "how the fact is stored"),
    )


def confusion_figure(table: pd.DataFrame, summed: pd.DataFrame, neurons: str) -> Figure:
    """Verdicts against the truth, of the clusterer whose verdicts are right most often."""
    best = ranked(summed, "verdict", neurons)[0]
    counts = confusion(table, best, neurons)
    cells = {
        (str(regime), str(verdict)): (int(count) / max(1, int(row.sum())), str(int(count)))
        for regime, row in counts.iterrows()
        for verdict, count in row.items()
    }
    return _heatmap(
        f"confusion_{neurons.replace(' ', '_')}",
        f"Verdicts against the truth: {best}, {source_name(neurons)}",
        "How many facts of a regime got which verdict; darker: a larger share of the regime's facts.",
        cells,
        [regime for regime in JUDGED if regime in counts.index],
        [verdict for verdict in VERDICTS if verdict in counts.columns],
        ("truth", "verdict"),
    )


def _row(row: Mapping[Hashable, object]) -> dict[str, object]:
    """A row of the summary as a chart takes it."""
    kept = {name: row[name] for name in ("contestant", "mean", "facts", "models")}
    return {**kept, "low": finite(float(str(row["low"]))), "high": finite(float(str(row["high"])))}


def _dots(
    name: str,
    title: str,
    caption: str,
    rows: Sequence[Mapping[str, object]],
    contestants: Sequence[str],
    series: Sequence[str],
    what: str,
) -> Figure:
    ends = [float(str(row[end])) for row in rows for end in ("low", "mean") if row[end] is not None]
    scale = alt.Scale(domain=[min(0.0, *ends), 1.0], nice=False)
    chart = points(
        rows,
        row=("contestant", contestants),
        series=("series", series, _COLORS),
        x=alt.X("mean:Q", title="mean", scale=scale, axis=alt.Axis(format=".1f", tickCount=6)),
        tooltip=[
            alt.Tooltip("contestant:N", title=what),
            alt.Tooltip("series:N", title="which"),
            *interval_tooltip("mean", ".3f"),
            alt.Tooltip("models:Q", format=","),
        ],
        height=max(2, len(series)) * _ROW * len(contestants),
        axis=_NAMES,
        padding=0.3,
        size=70,
        shapes=_SHAPES,
        interval=alt.X("low:Q", scale=scale),
        opacity=0.6,
    )
    cells = {(row["contestant"], row["series"]): row for row in rows}
    numbers = tuple((each, *(_cell(cells.get((each, one))) for one in series)) for each in contestants)
    return Figure(name, title, caption, chart, (what, *series), numbers)


def _cell(row: Mapping[str, object] | None) -> str:
    if row is None:
        return with_interval(float("nan"), 0.0, 0.0)
    low, high = (float("nan") if row[end] is None else float(str(row[end])) for end in ("low", "high"))
    return with_interval(float(str(row["mean"])), low, high)


def _heatmap(
    name: str,
    title: str,
    caption: str,
    cells: Mapping[tuple[str, str], tuple[float, str]],
    down: Sequence[str],
    across: Sequence[str],
    heads: tuple[str, str],
) -> Figure:
    title_of_rows = heads[0] if heads[0] == "truth" else None
    height = _CELL * len(down)
    chart = matrix(cells, down=down, across=across, heads=heads, title=title_of_rows, axis=_NAMES, height=height)
    none = (0.0, "")
    rows = tuple((row, *(cells.get((row, column), none)[1] for column in across)) for row in down)
    return Figure(name, title, caption, chart, (heads[0], *across), rows)
