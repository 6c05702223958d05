"""The benchmark's charts, from a table of numbers made up by hand."""

from __future__ import annotations

import pandas as pd
import pytest

from factneurons.benchmark.figures import (
    benchmark_figures,
    confusion_figure,
    dots_by_source,
    heatmap_by_regime,
    localisation_dots,
)
from factneurons.benchmark.summary import summary
from factneurons.benchmark.tables import table_of
from factneurons.report.drawing import draw


@pytest.fixture(scope="module")
def summed(table: pd.DataFrame) -> pd.DataFrame:
    return summary(table)


def test_there_is_a_chart_for_each_question(table: pd.DataFrame, summed: pd.DataFrame) -> None:
    figures = benchmark_figures(table, summed)
    assert [figure.name for figure in figures] == [
        "localisation",
        "localisation_by_regime",
        "grouping_adjusted_rand_index",
        "grouping_f1",
        "grouping_by_regime_true",
        "verdict_right",
        "verdict_false_components",
        "verdict_by_regime_true",
        "confusion_true",
    ]
    for figure in figures:
        assert draw(figure, "svg").startswith(b"<svg")
        assert figure.caption
        assert {len(row) for row in figure.rows} == {len(figure.columns)}


def test_dots_hold_the_numbers_of_the_table_in_its_order(summed: pd.DataFrame) -> None:
    dots = localisation_dots(summed)
    assert dots.columns == ("method", "average precision", "precision", "recall", "held-out loss")
    assert dots.rows == table_of(summed, "localisation").rows
    f1 = dots_by_source(summed, "grouping", "f1")
    assert f1.columns == ("clusterer", "true neurons")
    assert f1.rows == tuple((row[0], row[2]) for row in table_of(summed, "grouping").rows)


def test_one_model_has_no_interval(table: pd.DataFrame) -> None:
    """Nothing is known of the spread, so no line is drawn: an infinite one would not be."""
    alone = summary(table[table["model"] == table["model"].iloc[0]])
    dots = localisation_dots(alone)
    assert dots.rows[0] == ("dai", "0.75", "0.50", "1.00", "0.50")
    (rows,) = dots.chart.to_dict()["datasets"].values()
    assert all(row["low"] is None for row in rows)
    assert draw(dots, "svg").startswith(b"<svg")


def test_cells_are_means_over_the_facts_of_a_regime(table: pd.DataFrame, summed: pd.DataFrame) -> None:
    values = table[(table["part"] == "grouping") & (table["measure"] == "adjusted_rand_index")]
    figure = heatmap_by_regime(table, summed, "grouping", "true")
    assert figure.columns == ("clusterer", "redundant", "single")
    assert [row[0] for row in figure.rows] == ["ntc", "random"]
    for name, *cells in figure.rows:
        for regime, cell in zip(figure.columns[1:], cells, strict=True):
            own = values[(values["contestant"] == name) & (values["regime"] == regime)]
            assert cell == f"{own['value'].mean():.2f}"


def test_verdicts_are_counted_for_the_best_clusterer(table: pd.DataFrame, summed: pd.DataFrame) -> None:
    """Every verdict is counted, an undecided one too, and the darkness is a share of the row."""
    undecided = table.copy()
    of_ntc = undecided.index[(table["part"] == "verdict") & (table["contestant"] == "ntc")]
    undecided.loc[of_ntc[0], "verdict"] = "undecided"
    figure = confusion_figure(undecided, summed, "true")
    assert figure.title.startswith("Verdicts against the truth: ntc")
    assert figure.columns == ("truth", "single", "undecided")
    assert sorted(row[1:] for row in figure.rows) == [("2", "1"), ("3", "0")]
    (cells,) = figure.chart.to_dict()["datasets"].values()
    assert sum(cell["value"] for cell in cells) == pytest.approx(2)
