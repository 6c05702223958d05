"""The benchmark's numbers as rows of text: the same for the terminal, the page and the docs.

In: the table, or its summary. Out: tables with the best contestant first and the random controls among the others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from factneurons.benchmark.settings import DEFAULT, JUDGED, ORACLE, TRUE, UNDESIGNED, VERDICTS
from factneurons.benchmark.summary import COMPARED, REFERENCES, confusion
from factneurons.errors import BadSetting
from factneurons.planted.types import REGIMES
from factneurons.report.numbers import NOTHING

CONTROL = "random"
"""The contestant, among methods as well as among clusterers, that knows nothing."""

MEASURE_NAMES = {
    "average_precision": "average precision",
    "precision": "precision",
    "recall": "recall",
    "adjusted_rand_index": "adjusted Rand index",
    "f1": "F1",
    "held_out_loss": "held-out loss",
    "right": "right verdicts",
    "false_components": "false components",
    "above_chance": "purity above chance",
    "purity": "purity",
    "components": "called degenerate or redundant",
    "groups": "groups",
}
"""Measure -> what it is called."""

SHOWN: dict[str, tuple[str, ...]] = {
    "localisation": ("average_precision", "precision", "recall", "held_out_loss"),
    "grouping": ("adjusted_rand_index", "f1"),
    "verdict": ("right", "false_components"),
    UNDESIGNED: ("above_chance", "purity", "components", "groups"),
}
"""Part -> its measures of a contestant as they are shown; the first one decides the order."""

FOUND = ("found", "both_sides", "held_out_loss")
"""Measures of undesigned facts that are the same for every contestant: what they were given."""

HEADINGS = {"localisation": "method", "grouping": "clusterer", "verdict": "clusterer", UNDESIGNED: "clusterer"}
"""Part -> what its contestants are."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table as text.

    Attributes:
        part: localisation, grouping, verdict or undesigned.
        columns: the first one names the contestants.
        rows: the best contestant first.
    """

    part: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def source_name(neurons: str) -> str:
    """Where grouped neurons come from, in words."""
    return "true neurons" if neurons == TRUE else f"found by {neurons}"


def sources(table: pd.DataFrame) -> list[str]:
    """Where the grouped neurons come from, what a user gets first and then the truth; a summary will do as well."""
    named = table.loc[table["neurons"] != "", "neurons"].drop_duplicates().tolist()
    return sorted(named, key=lambda name: {DEFAULT: 0, TRUE: 1}.get(name, 2))


def table_of(summed: pd.DataFrame, part: str) -> Table:
    """One part's means with intervals, a row per contestant, best first.

    Args:
        summed: what `summary` returned.
        part: localisation, grouping, verdict or undesigned.
    """
    own = summed[summed["part"] == part]
    cells = {(row.neurons, row.contestant, row.measure): row for row in own.itertuples()}
    kinds = [(source, measure) for source in sources(own) or [""] for measure in SHOWN[part]]
    heads = [MEASURE_NAMES[measure] + (f", {source_name(source)}" if source else "") for source, measure in kinds]
    rows = tuple(
        (name, *(with_interval(*_numbers(cells.get((source, name, measure)))) for source, measure in kinds))
        for name in ranked(own, part)
    )
    return Table(part, (HEADINGS[part], *heads), rows)


def ranked(summed: pd.DataFrame, part: str, neurons: str | None = None) -> list[str]:
    """Contestants of a part, the best first: by the measure in which they are compared, for one source of neurons.

    Args:
        summed: what `summary` returned.
        part: localisation, grouping, verdict or undesigned, where the true groups are one of them: there a perfect
            clusterer gets no fixed number.
        neurons: the source; None: the first one.
    """
    own = summed[(summed["part"] == part) & (summed["measure"] == COMPARED[part])]
    source = neurons if neurons is not None else next(iter(sources(own)), "")
    counted = (own["neurons"] == source) & ((own["contestant"] != ORACLE) | (part == UNDESIGNED))
    named: list[str] = own[counted].sort_values("mean", ascending=False, kind="stable")["contestant"].tolist()
    return named


def regime_table(table: pd.DataFrame) -> Table:
    """What the defaults do with facts of each regime, and what is right where one step is given.

    Each step is given in turn: the true groups of the neurons that were found; the true neurons, not grouped; both.
    """
    clusterer = REFERENCES["grouping"]
    columns = {
        "average precision": ("localisation", "", DEFAULT, "average_precision"),
        "adjusted Rand index": ("grouping", DEFAULT, clusterer, "adjusted_rand_index"),
        "right verdicts": ("verdict", DEFAULT, clusterer, "right"),
        "false components": ("verdict", DEFAULT, clusterer, "false_components"),
        "right, true groups of these": ("verdict", DEFAULT, ORACLE, "right"),
        "right, true neurons": ("verdict", TRUE, clusterer, "right"),
        "right, both": ("verdict", TRUE, ORACLE, "right"),
    }
    keys = ["part", "neurons", "contestant", "measure"]
    means = table.groupby([*keys, "regime"])["value"].mean()
    facts = table.drop_duplicates(["model", "fact_id", "language"])["regime"].value_counts()
    rows = [
        (regime, str(facts[regime]), *(_mean(means.get((*key, regime), math.nan)) for key in columns.values()))
        for regime in REGIMES
        if regime in facts
    ]
    return Table("verdict", ("regime", "facts", *columns), tuple(rows))


def undesigned_verdicts(table: pd.DataFrame, summed: pd.DataFrame) -> Table:
    """How often each contestant's groups gave which verdict over facts that nobody planted, the purest first."""
    own = table[(table["part"] == UNDESIGNED) & (table["measure"] == "components")]
    counts = pd.crosstab(own["contestant"], own["verdict"])
    verdicts = [name for name in VERDICTS if name in counts.columns]
    names = ranked(summed, UNDESIGNED)
    rows = tuple((name, *(str(counts.loc[name, verdict]) for verdict in verdicts)) for name in names)
    return Table(UNDESIGNED, (HEADINGS[UNDESIGNED], *verdicts), rows)


def undesigned_found(summed: pd.DataFrame) -> str:
    """What was found of the facts that nobody planted, in words."""
    own = summed[(summed["part"] == UNDESIGNED) & (summed["contestant"] == ORACLE)]
    rows = {row["measure"]: row for row in own.to_dict("records")}
    neurons, both, lost = (with_interval(*(rows[name][each] for each in ("mean", "low", "high"))) for name in FOUND)
    counts = f"Facts: {rows['found']['facts']}; models: {rows['found']['models']}."
    return (
        f"{counts} Neurons found per fact: {neurons}; share of the facts that have some in both groups of neurons: "
        f"{both}; share of P(answer) that prompts they were not found with lose without them: {lost}."
    )


def _mean(value: float) -> str:
    return NOTHING if math.isnan(value) else f"{value:.2f}"


def confusion_table(table: pd.DataFrame, contestant: str, neurons: str) -> Table:
    """How often which verdict was given to facts of which regime."""
    counts = confusion(table, contestant, neurons)
    verdicts = [name for name in VERDICTS if name in counts.columns]
    rows = tuple(
        (regime, *(str(counts.loc[regime, verdict]) for verdict in verdicts))
        for regime in JUDGED
        if regime in counts.index
    )
    return Table("verdict", ("truth", *verdicts), rows)


def with_interval(mean: float, low: float, high: float) -> str:
    """A mean with its interval: 0.93 [0.90, 0.96]; without one where a single model says nothing about spread."""
    if not math.isfinite(mean):
        return NOTHING
    return f"{mean:.2f} [{low:.2f}, {high:.2f}]" if math.isfinite(low) and math.isfinite(high) else f"{mean:.2f}"


def _numbers(row: object) -> tuple[float, float, float]:
    if row is None:
        return math.nan, math.nan, math.nan
    return row.mean, row.low, row.high  # type: ignore[attr-defined]


def markdown(table: Table) -> str:
    """The table in Markdown."""
    lines = [table.columns, ("---",) * len(table.columns), *table.rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def fill(text: str, mark: str, tables: str) -> str:
    """A Markdown page with what stands between two comments replaced: <!-- MARK: start --> and <!-- MARK: end -->.

    Raises:
        BadSetting: the page has no such comments.
    """
    start, end = f"<!-- {mark}: start -->", f"<!-- {mark}: end -->"
    before, found, rest = text.partition(start)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise BadSetting(f"the page has no {start} with {end} after it, between which the tables go")
    return f"{before}{start}\n\n{tables}\n\n{end}{after}"


def plain(table: Table) -> list[str]:
    """The table as lines of text, columns under each other."""
    every = [table.columns, *table.rows]
    widths = [max(len(row[place]) for row in every) for place in range(len(table.columns))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in every]
