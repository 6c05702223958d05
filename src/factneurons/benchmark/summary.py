"""From the benchmark's rows to its tables: means with intervals over models, and paired comparisons."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from factneurons.benchmark.settings import DEFAULT, ORACLE, UNDESIGNED
from factneurons.degeneracy.settings import DegeneracySettings
from factneurons.statistics import bootstrap_interval, holm, paired_permutation_test

MEASURES: dict[str, tuple[str, ...]] = {
    "localisation": ("precision", "recall", "average_precision", "held_out_loss"),
    "grouping": ("adjusted_rand_index", "f1"),
    "verdict": ("right", "false_components"),
    UNDESIGNED: ("above_chance", "purity", "components", "groups", "found", "both_sides", "held_out_loss"),
}
"""Part of the benchmark -> what is measured in it."""

COMPARED = {
    "localisation": "average_precision",
    "grouping": "adjusted_rand_index",
    "verdict": "right",
    UNDESIGNED: "above_chance",
}
"""Part of the benchmark -> the measure in which contestants are compared with the reference."""

REFERENCES = {
    "localisation": DEFAULT,
    "grouping": DegeneracySettings().clusterer,
    "verdict": DegeneracySettings().clusterer,
    UNDESIGNED: DegeneracySettings().clusterer,
}
"""Part of the benchmark -> what the others are compared with: the default, named before anything is measured."""


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Mean of every measure by part, source of the neurons and contestant, with 95 % intervals over models.

    Every model counts as much as it has facts; models are what is drawn anew. Columns: part, neurons, contestant,
    measure, mean, low, high, facts, models, left_out (facts whose number is not finite).
    """
    rows = []
    for keys, own in table.groupby(["part", "neurons", "contestant", "measure"], sort=False):
        names = dict(zip(("part", "neurons", "contestant", "measure"), keys, strict=True))
        rows.append({**names, **_interval(own), "models": own["model"].nunique()})
    columns = ["part", "neurons", "contestant", "measure", "mean", "low", "high", "facts", "models", "left_out"]
    return pd.DataFrame(rows, columns=columns)


def _interval(own: pd.DataFrame) -> dict[str, float]:
    if own["value"].isna().all():
        return {"mean": math.nan, "low": math.nan, "high": math.nan, "facts": 0, "left_out": len(own)}
    found = bootstrap_interval(own["value"].to_numpy(), clusters=own["model"].tolist(), drop_missing=True)
    return {"mean": found.estimate, "low": found.low, "high": found.high, "facts": found.n, "left_out": found.dropped}


def planted_part(table: pd.DataFrame) -> pd.DataFrame:
    """The rows about facts that were planted; a summary will do as well."""
    return table[table["part"] != UNDESIGNED]


def comparisons(table: pd.DataFrame, references: Mapping[str, str] = REFERENCES) -> pd.DataFrame:
    """Every contestant against the reference of its part, paired by fact, signs flipped model by model.

    Columns: part, neurons, reference, contestant, difference (reference - contestant), p_value, holm (within part and
    source), facts, left_out (facts for which one of the two has no number).

    Args:
        table: the benchmark's table.
        references: part -> contestant; none of them may be chosen by what is in the table. Where a part lacks its
            reference, nothing is compared.
    """
    rows = []
    for part, measure in COMPARED.items():
        own = table[(table["part"] == part) & (table["measure"] == measure)]
        for source, of_source in own.groupby("neurons", sort=False):
            wide = of_source.pivot_table(
                index=["model", "fact_id", "language"], columns="contestant", values="value", dropna=False
            ).dropna(how="all")
            compared = [
                {"part": part, "neurons": source, "reference": references[part], "contestant": str(name)}
                | _paired(wide[[references[part], name]])
                for name in wide.columns
                if references[part] in wide.columns and name not in (references[part], ORACLE)
            ]
            if compared:
                adjusted = holm([float(str(row["p_value"])) for row in compared])
                rows += [row | {"holm": float(p_value)} for row, p_value in zip(compared, adjusted, strict=True)]
    return pd.DataFrame(rows, columns=[*_COMPARISON_COLUMNS])


def _paired(wide: pd.DataFrame) -> dict[str, object]:
    both = wide.dropna()
    counts: dict[str, object] = {"facts": len(both), "left_out": len(wide) - len(both)}
    if both.empty:
        return counts | {"difference": math.nan, "p_value": 1.0}
    models = both.index.get_level_values("model").tolist()
    test = paired_permutation_test(both.iloc[:, 0].to_numpy(), both.iloc[:, 1].to_numpy(), clusters=models)
    return counts | {"difference": test.difference, "p_value": test.p_value}


_COMPARISON_COLUMNS = (
    "part",
    "neurons",
    "reference",
    "contestant",
    "difference",
    "p_value",
    "holm",
    "facts",
    "left_out",
)


def by_regime(table: pd.DataFrame, part: str) -> pd.DataFrame:
    """Mean of a part's compared measure, [source and contestant, regime]."""
    own = table[(table["part"] == part) & (table["measure"] == COMPARED[part])]
    return own.pivot_table(index=["neurons", "contestant"], columns="regime", values="value")


def confusion(table: pd.DataFrame, contestant: str, neurons: str) -> pd.DataFrame:
    """How often which verdict was given, [true regime, verdict]."""
    own = table[(table["part"] == "verdict") & (table["measure"] == "right") & (table["contestant"] == contestant)]
    own = own[own["neurons"] == neurons]
    return pd.crosstab(own["regime"], own["verdict"])
