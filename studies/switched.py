"""Grouping judged by models in which facts became degenerate by themselves.

    python studies/switched.py FOLDER --docs docs/benchmark.md

Small models are trained from scratch, one per architecture and seed, while one of two groups of neurons is switched off
for every example, so that each fact has to be stored in both; about a minute each. The groups are known, the neurons
inside are not. Of what the default method finds, every clusterer makes groups, and the table says whether these lie
within one of the two. What was trained is not trained again. What stands between two comments of the docs is replaced.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from factneurons.benchmark.contestants import groupers
from factneurons.benchmark.purity import judge_switched
from factneurons.benchmark.run import model_name
from factneurons.benchmark.tables import Table, fill, markdown, with_interval
from factneurons.planted.switched import GROUPS, Switched, train_switched
from factneurons.statistics import bootstrap_interval

MARK = "switched"
SHOWN = {
    "above_chance": "purity above chance",
    "purity": "purity",
    "components": "called degenerate or redundant",
    "groups": "groups",
}


def cell(values: pd.Series, models: pd.Series) -> str:
    """Mean with its interval, models resampled."""
    found = bootstrap_interval(values.to_numpy(), clusters=models.tolist())
    return with_interval(found.estimate, found.low, found.high)


def table_of(rows: pd.DataFrame) -> Table:
    """A row per clusterer, the purest first."""
    order = rows.groupby("clusterer")["above_chance"].mean().sort_values(ascending=False, kind="stable").index
    lines = []
    for name in order:
        own = rows[rows["clusterer"] == name]
        lines.append((str(name), *(cell(own[column].astype(float), own["model"]) for column in SHOWN)))
    return Table("grouping", ("clusterer", *SHOWN.values()), tuple(lines))


def about(rows: pd.DataFrame, known: list[Switched]) -> str:
    """What was judged, in words."""
    facts = rows.drop_duplicates(["model", "fact_id"])
    accepted, left = sum(len(each.facts) for each in known), sum(sum(each.rejected.values()) for each in known)
    seeds = ", ".join(str(seed) for seed in sorted({each.seed for each in known}))
    bases = ", ".join(dict.fromkeys(each.base for each in known))
    mixed = (facts["in_first"] > 0) & (facts["in_first"] < 1)
    without, lost = (facts["neurons"] == 0).sum(), facts["loss"].mean()
    return (
        f"{len(facts)} facts in {facts['model'].nunique()} models ({bases}; seeds {seeds}); {accepted} of "
        f"{accepted + left} facts were stored in both groups. Found: {facts['neurons'].mean():.1f} neurons per fact, "
        f"none for {without}; without them {lost:.0%} of P(answer) is lost; {mixed.mean():.0%} of the facts have some "
        "in each group."
    )


def main() -> None:
    """Train what is missing, judge, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the trained models are kept")
    parser.add_argument("--base", action="append", help="default: pocket-gpt2 and pocket-llama")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--facts", type=int, default=30, help="facts judged per model at most")
    parser.add_argument("--docs", type=Path, help="the page that the table is written into")
    options = parser.parse_args()
    tables, known = [], []
    for base in options.base or ["pocket-gpt2", "pocket-llama"]:
        for seed in options.seeds:
            name = model_name(base, seed, "switched")
            place = options.folder / name
            if not (place / GROUPS).is_file():
                train_switched(base, place, seed, report=print)
            known.append(Switched.load(place))
            tables.append(judge_switched(place, groupers(), facts=options.facts).assign(model=name))
    rows = pd.concat(tables, ignore_index=True)
    text = f"{about(rows, known)}\n\n{markdown(table_of(rows))}"
    print(text)
    if options.docs is not None:
        page = options.docs.read_text(encoding="utf-8")
        options.docs.write_text(fill(page, MARK, text), encoding="utf-8")


if __name__ == "__main__":
    main()
