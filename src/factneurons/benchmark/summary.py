"""From the benchmark's rows to its tables: means with intervals over models, and paired comparisons."""

from __future__ import annotations

import pandas as pd

from factneurons.statistics import bootstrap_interval, holm, paired_permutation_test

MEASURES: dict[str, tuple[str, ...]] = {
    "localisation": ("precision", "recall", "average_precision"),
    "grouping": ("adjusted_rand_index", "f1"),
    "verdict": ("right",),
}
"""Part of the benchmark -> what is measured in it; the last one is what contestants are compared in."""

COMPARED = {"localisation": "average_precision", "grouping": "adjusted_rand_index", "verdict": "right"}
"""Part of the benchmark -> the measure in which contestants are compared with the best one."""


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Mean of every measure by part, source of the neurons and contestant, with 95 % intervals over models.

    Every model counts as much as it has facts; models are what is drawn anew. Columns: part, neurons, contestant,
    measure, mean, low, high, facts, models.
    """
    rows = []
    for keys, own in table.groupby(["part", "neurons", "contestant", "measure"], sort=False):
        found = bootstrap_interval(own["value"].to_numpy(), clusters=own["model"].tolist())
        names = dict(zip(("part", "neurons", "contestant", "measure"), keys, strict=True))
        rows.append(
            {**names, "mean": found.estimate, "low": found.low, "high": found.high}
            | {"facts": len(own), "models": own["model"].nunique()}
        )
    return pd.DataFrame(rows)


def comparisons(table: pd.DataFrame) -> pd.DataFrame:
    """Every contestant against the best one of its part, paired by fact, signs flipped model by model.

    Columns: part, neurons, best, contestant, difference (best - contestant), p_value, holm (within part and source).
    """
    rows = []
    for part, measure in COMPARED.items():
        own = table[(table["part"] == part) & (table["measure"] == measure)]
        for source, of_source in own.groupby("neurons", sort=False):
            wide = of_source.pivot_table(
                index=["model", "fact_id", "language"], columns="contestant", values="value"
            ).dropna()
            best = str(wide.mean().idxmax())
            models = wide.index.get_level_values("model").tolist()
            compared = [
                (name, paired_permutation_test(wide[best].to_numpy(), wide[name].to_numpy(), clusters=models))
                for name in wide.columns
                if name != best
            ]
            adjusted = holm([test.p_value for _, test in compared])
            rows += [
                {"part": part, "neurons": source, "best": best, "contestant": name}
                | {"difference": test.difference, "p_value": test.p_value, "holm": float(own_holm)}
                for (name, test), own_holm in zip(compared, adjusted, strict=True)
            ]
    return pd.DataFrame(rows)


def by_regime(table: pd.DataFrame, part: str) -> pd.DataFrame:
    """Mean of a part's compared measure, [source and contestant, regime]."""
    own = table[(table["part"] == part) & (table["measure"] == COMPARED[part])]
    return own.pivot_table(index=["neurons", "contestant"], columns="regime", values="value")


def confusion(table: pd.DataFrame, contestant: str, neurons: str) -> pd.DataFrame:
    """How often which verdict was given, [true regime, verdict]."""
    own = table[(table["part"] == "verdict") & (table["contestant"] == contestant) & (table["neurons"] == neurons)]
    return pd.crosstab(own["regime"], own["verdict"])
