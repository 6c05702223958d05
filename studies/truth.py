"""The tables of a finished benchmark, written into the docs.

    factneurons benchmark --out FOLDER
    python studies/truth.py FOLDER --docs docs/benchmark.md --readme README.md

What stands between the comments `<!-- benchmark: start -->` and `<!-- benchmark: end -->` is replaced: in the docs by
all tables, in the README by what a user gets. Facts that nobody planted have comments of their own in the docs,
`undesigned`. What the benchmark was not of stays as it was.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from factneurons.benchmark.run import TABLE
from factneurons.benchmark.settings import DEFAULT, TRUE, UNDESIGNED
from factneurons.benchmark.summary import REFERENCES, planted_part, summary
from factneurons.benchmark.tables import (
    MEASURE_NAMES,
    Table,
    confusion_table,
    fill,
    markdown,
    ranked,
    regime_table,
    source_name,
    sources,
    table_of,
    undesigned_found,
    undesigned_verdicts,
    with_interval,
)
from factneurons.planted.settings import HARD

MARK = "benchmark"
TITLES = {"localisation": "Which neurons", "grouping": "Which groups", "verdict": "Which verdict"}


def of_what(table: pd.DataFrame) -> str:
    """How much was judged, in one line."""
    facts = len(table[["model", "fact_id", "language"]].drop_duplicates())
    seeds = ", ".join(map(str, sorted(table["seed"].unique())))
    bases = ", ".join(table["base"].unique())
    return f"{facts} facts in {table['model'].nunique()} planted models: {bases}; seeds {seeds}."


def group_table(table: pd.DataFrame) -> Table:
    """What the defaults do with the easy and the hard regimes, and with the true neurons of these."""
    columns = {
        "average precision": ("localisation", "", DEFAULT, "average_precision"),
        "held-out loss": ("localisation", "", DEFAULT, "held_out_loss"),
        **{
            f"{MEASURE_NAMES[measure]}, {source_name(source)}": (part, source, REFERENCES[part], measure)
            for source in (DEFAULT, TRUE)
            for part, measure in (("grouping", "adjusted_rand_index"), ("verdict", "right"))
        },
        "false components": ("verdict", DEFAULT, REFERENCES["verdict"], "false_components"),
    }
    rows = []
    hard = table["regime"].isin(HARD)
    for group, own in (("easy", table[~hard]), ("hard", table[hard])):
        if own.empty:
            continue
        means = summary(own).set_index(["part", "neurons", "contestant", "measure"])
        known = means.reindex(list(columns.values()))
        facts = len(own[["model", "fact_id", "language"]].drop_duplicates())
        rows.append(
            (group, str(facts), *(with_interval(*row) for row in known[["mean", "low", "high"]].to_numpy(dtype=float)))
        )
    return Table("verdict", ("regimes", "facts", *columns), tuple(rows))


def all_tables(table: pd.DataFrame) -> str:
    """Every table, and the verdicts of the best clusterer for every source of neurons."""
    summed = summary(table)
    parts = [of_what(table), "### What a user gets", *map(markdown, (group_table(table), regime_table(table)))]
    for part, title in TITLES.items():
        parts += [f"### {title}", markdown(table_of(summed, part))]
    for source in sources(table):
        best = ranked(summed, "verdict", source)[0]
        parts += [
            f"### Verdicts of {best}, {source_name(source)}",
            "Down: the truth; across: the verdict.",
            markdown(confusion_table(table, best, source)),
        ]
    return "\n\n".join(parts)


def undesigned_tables(table: pd.DataFrame) -> str:
    """What was found of facts that nobody planted."""
    summed = summary(table)
    tables = (table_of(summed, UNDESIGNED), undesigned_verdicts(table, summed))
    seeds = ", ".join(map(str, sorted(table["seed"].unique())))
    about = f"Trained from scratch: {', '.join(table['base'].unique())}; seeds {seeds}. {undesigned_found(summed)}"
    return "\n\n".join([about, *map(markdown, tables)])


def short_table(table: pd.DataFrame) -> str:
    """What a user gets: one row for the easy regimes, one for the hard ones."""
    return "\n\n".join([of_what(table), markdown(group_table(table))])


def main() -> None:
    """Parse and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the folder of a finished benchmark")
    parser.add_argument("--docs", type=Path, help="the page that all tables are written into")
    parser.add_argument("--readme", type=Path, help="the page that the short table is written into")
    options = parser.parse_args()
    table = pd.read_parquet(options.folder / TABLE)
    planted, undesigned = planted_part(table), table[table["part"] == UNDESIGNED]
    wanted = [
        (options.docs, MARK, all_tables, planted),
        (options.docs, UNDESIGNED, undesigned_tables, undesigned),
        (options.readme, MARK, short_table, planted),
    ]
    for path, mark, write, rows in wanted:
        if path is not None and len(rows):
            path.write_text(fill(path.read_text(encoding="utf-8"), mark, write(rows)), encoding="utf-8")
            print(f"written: {path}, {mark}")
        elif options.docs is None and options.readme is None and write is not short_table and len(rows):
            print(write(rows))


if __name__ == "__main__":
    main()
