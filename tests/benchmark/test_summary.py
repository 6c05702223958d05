"""Means, intervals and comparisons of tables made up by hand."""

from __future__ import annotations

import pandas as pd
import pytest

from factneurons.benchmark.run import COLUMNS, long_table
from factneurons.benchmark.summary import by_regime, comparisons, confusion, summary
from factneurons.benchmark.tables import confusion_table, fill, markdown, plain, ranked, sources, table_of
from factneurons.errors import BadSetting


def test_the_columns_are_those_that_are_documented(said):
    rows = long_table(said, "folder/pocket-bert", 3)
    assert list(rows.columns) == list(COLUMNS)
    assert set(rows["model"]) == {"pocket-bert-3"}
    assert len(rows) == 2 * (2 * 3 + 2 + 1)
    assert not rows.isna().any().any()
    verdicts = rows[rows["part"] == "verdict"]
    assert verdicts.set_index("fact_id")["value"].to_dict() == {"a": 0.0, "b": 1.0}
    assert set(rows.loc[rows["part"] != "verdict", "verdict"]) == {""}


def test_summary(table):
    found = summary(table).set_index(["part", "neurons", "contestant", "measure"])
    row = found.loc["grouping", "true", "ntc", "f1"]
    assert row["mean"] == pytest.approx(0.25 - 0.01)
    assert 0.23 - 1e-9 <= row["low"] < row["mean"] < row["high"] <= 0.25 + 1e-9
    assert (row["facts"], row["models"]) == (6, 3)
    assert found.loc["localisation", "", "random", "recall"]["mean"] == pytest.approx(0.1)


def test_comparisons(table):
    found = comparisons(table).set_index("part")
    assert (found["best"] != "random").all()
    assert (found["contestant"] == "random").all()
    assert found.loc["grouping", "difference"] == pytest.approx(0.2)
    assert (found["p_value"] == 2 / 2**3).all()  # three models: all signs as they are, or all the other way
    assert (found["holm"] == found["p_value"]).all()  # one comparison each


def test_regimes_and_verdicts(table):
    regimes = by_regime(table, "verdict")
    assert regimes.loc[("true", "ntc"), "single"] == pytest.approx(0.99)
    counts = confusion(table, "ntc", "true")
    assert counts.loc["redundant", "single"] == 3
    shown = confusion_table(table, "ntc", "true")
    assert shown.columns == ("truth", "single")
    assert shown.rows == (("redundant", "3"), ("single", "3"))


def test_tables_are_sorted_and_have_the_control(table):
    summed = summary(table)
    assert ranked(summed, "localisation") == ["dai", "random"]
    assert sources(table) == ["true"]
    shown = table_of(summed, "grouping")
    assert shown.columns == ("clusterer", "adjusted Rand index, true neurons", "F1, true neurons")
    assert [row[0] for row in shown.rows] == ["ntc", "random"]
    assert shown.rows[0][1].startswith("0.49 [0.48, 0.50]")
    lines = markdown(shown).splitlines()
    assert lines[1] == "| --- | --- | --- |"
    assert len(lines) == 4
    assert len(plain(shown)) == 3


def test_one_model_has_no_interval(said):
    shown = table_of(summary(long_table(said, "pocket-gpt2", 0)), "verdict")
    assert shown.rows == (("ntc", "0.50"),)


def test_a_source_that_a_contestant_lacks_is_a_dash(table):
    other = table[(table["part"] == "grouping") & (table["contestant"] == "ntc")].assign(neurons="amig")
    shown = table_of(summary(pd.concat([table, other])), "grouping")
    assert shown.rows[1][3:] == ("–", "–")


def test_fill():
    page = "before\n<!-- benchmark: start -->\nold\n<!-- benchmark: end -->\nafter"
    filled = fill(page, "benchmark", "new")
    assert filled == "before\n<!-- benchmark: start -->\n\nnew\n\n<!-- benchmark: end -->\nafter"
    assert fill(filled, "benchmark", "new") == filled
    with pytest.raises(BadSetting, match="no <!-- benchmark: start -->"):
        fill("nothing", "benchmark", "new")
