"""Tables of numbers made up by hand, as text, and their places in the docs."""

from __future__ import annotations

import runpy
from pathlib import Path

import pandas as pd
import pytest

from factneurons.benchmark.contestants import groupers
from factneurons.benchmark.rows import named, planted_rows
from factneurons.benchmark.run import TABLE
from factneurons.benchmark.settings import CAPTUM, DEFAULT, IN_ROUNDS, ORACLE, TRUE
from factneurons.benchmark.summary import COMPARED, REFERENCES, comparisons, summary
from factneurons.benchmark.tables import (
    HEADINGS,
    MEASURE_NAMES,
    SHOWN,
    confusion_table,
    fill,
    markdown,
    plain,
    ranked,
    regime_table,
    source_name,
    sources,
    table_of,
    with_interval,
)
from factneurons.degeneracy.clusterers.registry import CLUSTERERS
from factneurons.errors import BadSetting

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "benchmark.md"


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


def test_verdicts_beside_the_truth(table):
    shown = confusion_table(table, "ntc", "true")
    assert shown.columns == ("truth", "single")
    assert shown.rows == (("redundant", "3"), ("single", "3"))


def test_what_a_user_gets_by_regime(table):
    """The defaults and the oracles, each cell from its own rows; what was not measured is a dash."""
    found = {"dai": DEFAULT, "ntc": REFERENCES["grouping"]}
    renamed = table.replace({"contestant": found})
    oracle = renamed[(renamed["part"] == "verdict") & (renamed["contestant"] == REFERENCES["grouping"])]
    shown = regime_table(pd.concat([renamed, oracle.assign(contestant=ORACLE, neurons=DEFAULT, value=0.25)]))
    assert shown.rows == (
        ("redundant", "3", "0.74", "–", "–", "–", "0.25", "-0.01", "–"),
        ("single", "3", "0.74", "–", "–", "–", "0.25", "0.99", "–"),
    )


def test_the_oracle_is_no_contestant(table):
    oracle = table[table["contestant"] == "ntc"].assign(contestant=ORACLE, value=1.0)
    both = pd.concat([table, oracle])
    assert ORACLE not in ranked(summary(both), "grouping")
    assert ORACLE not in set(comparisons(both, dict.fromkeys(COMPARED, "ntc"))["contestant"])


def test_every_part_shows_what_decides_its_order_first():
    assert {part: measures[0] for part, measures in SHOWN.items()} == COMPARED
    assert set(HEADINGS) == set(SHOWN)
    assert {name for measures in SHOWN.values() for name in measures} == set(MEASURE_NAMES)


def test_the_truth_comes_first():
    assert source_name(TRUE) == "true neurons"
    assert source_name("amig") == "found by amig"
    assert sources(pd.DataFrame({"neurons": ["amig", "", TRUE, "amig"]})) == [TRUE, "amig"]


@pytest.mark.parametrize(
    ("numbers", "text"),
    [((0.934, 0.9, 0.96), "0.93 [0.90, 0.96]"), ((0.5, float("nan"), 1.0), "0.50"), ((float("nan"), 0.0, 1.0), "–")],
)
def test_a_mean_with_its_interval(numbers, text):
    assert with_interval(*numbers) == text


def test_columns_stand_under_each_other(table):
    shown = table_of(summary(table), "grouping")
    lines = plain(shown)
    for place, head in enumerate(shown.columns):
        begin = lines[0].index(head)
        assert all(line[begin:].startswith(row[place]) for line, row in zip(lines[1:], shown.rows, strict=True))


def test_one_model_has_no_interval(said):
    shown = table_of(summary(named(planted_rows(said), "pocket-gpt2", 0)), "verdict")
    assert shown.rows == (("ntc", "0.50", "0.00"),)


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


def test_measures_and_contestants_are_named():
    page = PAGE.read_text(encoding="utf-8")
    for name in MEASURE_NAMES.values():
        assert name.removesuffix(" verdicts").lower() in page.lower()
    for name in (CAPTUM, *IN_ROUNDS, *(each for each in groupers() if each not in CLUSTERERS)):
        assert f"`{name}`" in page


@pytest.mark.parametrize("path", [PAGE, ROOT / "README.md"])
def test_the_tables_have_a_place(path):
    assert "new" in fill(path.read_text(encoding="utf-8"), "benchmark", "new")


def test_the_command_fills_them(table, tmp_path, monkeypatch):
    table.to_parquet(tmp_path / TABLE, index=False)
    pages = {"--docs": tmp_path / "docs.md", "--readme": tmp_path / "readme.md"}
    for path in pages.values():
        path.write_text("<!-- benchmark: start --><!-- benchmark: end -->", encoding="utf-8")
    options = [str(part) for pair in pages.items() for part in pair]
    script = str(ROOT / "studies" / "truth.py")
    monkeypatch.setattr("sys.argv", [script, str(tmp_path), *options])
    runpy.run_path(script, run_name="__main__")
    docs, readme = (path.read_text(encoding="utf-8") for path in pages.values())
    assert "6 facts in 3 planted models: pocket-gpt2; seeds 0, 1, 2." in docs
    assert "| random | 0.10 [0.10, 0.10] |" in docs
    assert "### Verdicts of ntc, true neurons" in docs
    assert "| regimes | facts | average precision |" in readme
