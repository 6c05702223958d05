"""What the thresholds of attribution methods were chosen by: how well each finds planted neurons, by its threshold.

    factneurons plant pocket-gpt2 --out planted/gpt2 --seed 100
    factneurons plant pocket-llama --out planted/llama --seed 100
    python studies/thresholds.py planted/gpt2 planted/llama

The first table: precision, recall and their harmonic mean F1, means over facts, at the threshold that a method has, and
the average precision of its scores, which needs none. The second: F1 by threshold. Neurons are found with every other
prompt of a fact, as in the benchmark. To choose, models of seeds that the benchmark leaves alone; to report, others.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from factneurons.benchmark.contestants import scorers
from factneurons.benchmark.judging import Unit, chosen_neurons, localisation_metrics
from factneurons.benchmark.tables import Table, markdown, with_interval
from factneurons.models.load import load_model
from factneurons.models.prompts import queries_of
from factneurons.planted.truth import Truth
from factneurons.statistics import bootstrap_interval

UNNAMED = ("relp", "attnlrp", "atp_star", "log_probability_increase", "direct_logit", "suppression")
"""Methods whose papers name no threshold: they rank."""

THRESHOLDS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
SHOWN = {"average_precision": "average precision", "precision": "precision", "recall": "recall", "f1": "F1"}


def found(folder: Path, methods: list[str]) -> Iterator[dict[str, object]]:
    """A row per fact, method and threshold; `own` where it is the method's."""
    model = load_model(folder)
    facts = ((planted, fact) for planted in Truth.load(folder).facts for fact in planted.facts)
    units = [Unit(planted, fact, queries_of(model, fact)) for planted, fact in facts]
    for method in methods:
        score, own = scorers()[method]
        for unit, scores in zip(units, score(model, [unit.searched for unit in units]), strict=True):
            mine = own.get(unit.fact.language, own[""])
            for threshold in sorted({*THRESHOLDS, mine}):
                chosen = chosen_neurons(scores, threshold)
                metrics = localisation_metrics(unit.neurons, chosen, scores, unit.helpers)
                precision, recall = float(str(metrics["precision"])), float(str(metrics["recall"]))
                f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
                about = {"model": folder.name, "method": method, "threshold": threshold, "own": threshold == mine}
                yield about | metrics | {"f1": f1}


def at_own(rows: pd.DataFrame) -> Table:
    """A row per method: what it finds at its own threshold; intervals resample models."""
    lines = []
    for method, mine in rows[rows["own"]].groupby("method", sort=False):
        threshold = ", ".join(f"{value:g}" for value in sorted(mine["threshold"].unique()))
        intervals = (bootstrap_interval(mine[name].to_numpy(float), clusters=mine["model"].tolist()) for name in SHOWN)
        lines.append(
            (str(method), threshold, *(with_interval(each.estimate, each.low, each.high) for each in intervals))
        )
    return Table("localisation", ("method", "threshold", *SHOWN.values()), tuple(lines))


def by_threshold(rows: pd.DataFrame) -> Table:
    """F1 by method and threshold."""
    means = rows[rows["threshold"].isin(THRESHOLDS)].groupby(["method", "threshold"], sort=False)["f1"].mean().unstack()
    lines = tuple((str(name), *(f"{value:.3f}" for value in means.loc[name])) for name in means.index)
    return Table("localisation", ("F1 at", *(f"{value:g}" for value in means.columns)), lines)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, help="planted models")
    parser.add_argument("--method", action="append", help=f"default: {', '.join(UNNAMED)}")
    options = parser.parse_args()
    rows = pd.DataFrame(row for folder in options.folders for row in found(folder, options.method or list(UNNAMED)))
    print(f"{markdown(at_own(rows))}\n\n{markdown(by_threshold(rows))}")


if __name__ == "__main__":
    main()
