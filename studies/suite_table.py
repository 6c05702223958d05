"""The grid of a finished suite, written into the docs.

    factneurons suite --models A,B --facts SPEC --out FOLDER
    python studies/suite_table.py FOLDER --docs docs/experiments.md [--mark suite]

What stands between the comments `<!-- suite: start -->` and `<!-- suite: end -->` is replaced by a row per cell and
language: the claim, and of every model the verdict, the difference with its interval, and how many facts it is of.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from factneurons.benchmark.tables import fill


def grid(results: pd.DataFrame) -> str:
    """One row per cell and language, one column per model."""
    results = results.assign(language=results["language"].fillna(""))
    languages = results["language"].nunique() > 1
    models = [Path(name).name for name in results["model"].unique()]
    lines = ["| cell | claim | " + " | ".join(models) + " |", "| --- | --- |" + " --- |" * len(models)]
    for (cell, experiment, language), rows in results.groupby(["cell", "experiment", "language"], sort=False):
        told = {Path(str(row["model"])).name: _told(row) for row in rows.to_dict("records")}
        place = f"{cell} ({experiment}{', ' + str(language) if languages and language else ''})"
        lines.append(
            f"| {place} | {rows['claim'].iloc[0]} | " + " | ".join(told.get(name, "–") for name in models) + " |"
        )
    return "\n".join(lines)


def _told(row: Mapping[Any, Any]) -> str:
    numbers = [float(str(row[name])) for name in ("difference", "low", "high")]
    if not math.isfinite(numbers[0]):
        return str(row["failure"]) if isinstance(row["failure"], str) else f"{row['verdict']} (no facts)"
    interval = f" [{numbers[1]:+.2g}, {numbers[2]:+.2g}]" if all(map(math.isfinite, numbers)) else ""
    return f"{row['verdict']}: {numbers[0]:+.2g}{interval}, {row['facts']} facts"


def main() -> None:
    """Parse and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="+", help="folders of finished suites")
    parser.add_argument("--docs", type=Path, help="the page that the grid is written into; else it is printed")
    parser.add_argument("--mark", default="suite")
    options = parser.parse_args()
    table = grid(pd.concat([pd.read_csv(folder / "suite.csv") for folder in options.folder]))
    if options.docs is None:
        print(table)
    else:
        options.docs.write_text(fill(options.docs.read_text(encoding="utf-8"), options.mark, table), encoding="utf-8")


if __name__ == "__main__":
    main()
