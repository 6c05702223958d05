"""The page of the docs names the columns, the measures and the contestants; the filling command finds its places."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from factneurons.benchmark.contestants import groupers
from factneurons.benchmark.run import COLUMNS, TABLE
from factneurons.benchmark.settings import CAPTUM, IN_ROUNDS
from factneurons.benchmark.tables import MEASURE_NAMES, fill
from factneurons.degeneracy.clusterers.registry import CLUSTERERS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "benchmark.md"


def test_the_columns_are_as_in_the_code():
    rows = "\n".join(f"| `{name}` | {meaning} |" for name, meaning in COLUMNS.items())
    assert rows in PAGE.read_text(encoding="utf-8")


def test_measures_and_contestants_are_named():
    page = PAGE.read_text(encoding="utf-8")
    for name in MEASURE_NAMES.values():
        assert name.removesuffix(" verdicts") in page
    for name in (CAPTUM, IN_ROUNDS, *(each for each in groupers() if each not in CLUSTERERS)):
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
    assert "| clusterer | adjusted Rand index | F1 | right verdicts |" in readme
