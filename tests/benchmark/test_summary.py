"""Means, intervals and comparisons of tables made up by hand."""

from __future__ import annotations

import pytest

from factneurons.attribution.settings import AttributionSettings
from factneurons.benchmark.settings import DEFAULT, IN_ROUNDS, UNDESIGNED
from factneurons.benchmark.summary import REFERENCES, by_regime, comparisons, confusion, summary
from factneurons.degeneracy.settings import DegeneracySettings


def test_summary(table):
    found = summary(table).set_index(["part", "neurons", "contestant", "measure"])
    row = found.loc["grouping", "true", "ntc", "f1"]
    assert row["mean"] == pytest.approx(0.25 - 0.01)
    assert 0.23 - 1e-9 <= row["low"] < row["mean"] < row["high"] <= 0.25 + 1e-9
    assert (row["facts"], row["models"]) == (6, 3)
    assert found.loc["localisation", "", "random", "recall"]["mean"] == pytest.approx(0.1)


BY_HAND = {"localisation": "dai", "grouping": "ntc", "verdict": "ntc"}


def test_comparisons(table):
    found = comparisons(table, BY_HAND).set_index("part")
    assert found["reference"].to_dict() == BY_HAND
    assert (found["contestant"] == "random").all()
    assert found.loc["grouping", "difference"] == pytest.approx(0.2)
    assert (found["p_value"] == 2 / 2**3).all()  # three models: all signs as they are, or all the other way
    assert (found["holm"] == found["p_value"]).all()  # one comparison each
    assert (found["left_out"] == 0).all()


def test_the_reference_is_the_default_and_not_what_came_out_best(table):
    assert {
        "localisation": DEFAULT,
        "grouping": DegeneracySettings().clusterer,
        "verdict": DegeneracySettings().clusterer,
        UNDESIGNED: DegeneracySettings().clusterer,
    } == REFERENCES
    assert IN_ROUNDS[DEFAULT] == AttributionSettings().method
    renamed = table.replace({"contestant": {"random": "interaction"}})
    found = comparisons(renamed).set_index("part")
    assert list(found.index) == ["grouping", "verdict"], "no localisation by the default, so nothing to compare with"
    assert (found["reference"] == "interaction").all()
    assert found.loc["grouping", "difference"] == pytest.approx(-0.2), "the reference is the worse one"


def test_facts_without_both_numbers_are_counted(table):
    holes = table.copy()
    of_ntc = (holes["contestant"] == "ntc") & (holes["measure"] == "adjusted_rand_index") & (holes["fact_id"] == "a")
    holes.loc[of_ntc, "value"] = float("nan")
    found = comparisons(holes, BY_HAND).set_index("part")
    assert (found.loc["grouping", "facts"], found.loc["grouping", "left_out"]) == (3, 3)
    assert (found.loc["verdict", "facts"], found.loc["verdict", "left_out"]) == (6, 0)
    row = summary(holes).set_index(["part", "neurons", "contestant", "measure"])
    own = row.loc["grouping", "true", "ntc", "adjusted_rand_index"]
    assert (own["facts"], own["left_out"]) == (3, 3)


def test_a_measure_that_no_fact_has_is_no_number_and_counted(table):
    holes = table.copy()
    holes.loc[holes["measure"] == "false_components", "value"] = float("nan")
    own = summary(holes).set_index(["part", "neurons", "contestant", "measure"])
    row = own.loc["verdict", "true", "ntc", "false_components"]
    assert row[["mean", "low", "high"]].isna().all()
    assert (row["facts"], row["left_out"]) == (0, 6)


def test_regimes_and_verdicts(table):
    regimes = by_regime(table, "verdict")
    assert regimes.loc[("true", "ntc"), "single"] == pytest.approx(0.99)
    counts = confusion(table, "ntc", "true")
    assert counts.loc["redundant", "single"] == 3
