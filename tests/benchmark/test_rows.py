"""Every number that was judged is a row, and every column is documented."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest

from factneurons.benchmark.rows import COLUMNS, false_components, named, planted_rows, undesigned_rows
from factneurons.benchmark.settings import DEFAULT, ORACLE, UNDESIGNED
from factneurons.benchmark.summary import MEASURES


def test_every_number_is_a_row(said):
    rows = planted_rows(said)
    assert set(rows.columns) == set(COLUMNS) - {"model", "base", "seed"}
    assert len(rows) == 2 * (2 * 4 + 2 + 2)
    assert set(rows.loc[rows["value"].isna(), "measure"]) == {"false_components"}
    assert not rows.drop(columns="value").isna().any().any()
    verdicts = rows[(rows["part"] == "verdict") & (rows["measure"] == "right")]
    assert verdicts.set_index("fact_id")["value"].to_dict() == {"a": 0.0, "b": 1.0}
    assert set(rows.loc[rows["part"] != "verdict", "verdict"]) == {""}


@pytest.mark.parametrize(
    ("regime", "verdict", "false"),
    [
        ("diffuse", "redundant", 1.0),
        ("diffuse", "none", 0.0),
        ("single", "degenerate", 1.0),
        ("redundant", "degenerate", math.nan),
        ("large", "single", math.nan),
    ],
)
def test_components_are_false_where_there_are_none(regime, verdict, false):
    assert false_components(regime, verdict) == pytest.approx(false, nan_ok=True)


def test_facts_that_nobody_planted_are_a_part_of_their_own():
    measured = dict.fromkeys(MEASURES[UNDESIGNED], 0.5) | {"by_chance": 0.25}
    judged = pd.DataFrame(
        [
            {"fact_id": "a", "language": "en", "clusterer": name, "verdict": "none", **measured}
            for name in ("ntc", ORACLE)
        ]
    )
    rows = undesigned_rows(judged)
    assert set(rows.columns) == set(COLUMNS) - {"model", "base", "seed"}
    assert list(rows["measure"]) == [name for name in MEASURES[UNDESIGNED] for _ in range(2)]
    assert list(rows["contestant"].unique()) == ["ntc", ORACLE]
    for column, value in {"part": UNDESIGNED, "regime": UNDESIGNED, "neurons": DEFAULT, "verdict": "none"}.items():
        assert set(rows[column]) == {value}


def test_a_model_is_named_by_its_base_its_group_and_its_seed(said):
    rows = named(planted_rows(said), "folder/pocket-bert", 3)
    assert list(rows.columns) == list(COLUMNS)
    assert set(rows["model"]) == {"pocket-bert-3"}
    assert set(named(planted_rows(said), "folder/pocket-bert", 3, "hard")["model"]) == {"pocket-bert-hard-3"}


def test_the_columns_are_documented():
    page = Path(__file__).parents[2] / "docs" / "benchmark.md"
    rows = "\n".join(f"| `{name}` | {meaning} |" for name, meaning in COLUMNS.items())
    assert rows in page.read_text(encoding="utf-8")
