"""Means, intervals and comparisons of tables made up by hand."""

from __future__ import annotations

import pytest

from factneurons.benchmark.summary import by_regime, comparisons, confusion, summary


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
