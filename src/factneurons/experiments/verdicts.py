"""From rows to verdicts: means with intervals, and whether a claim holds, fails, or cannot be told.

holds         the paired test in the expected direction has p <= 0.05 after Holm's correction
fails         the test in the other direction has
cannot tell   neither has: too few facts, or no difference large enough
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from factneurons.errors import BadNumber
from factneurons.experiments.experiment import RANDOM_FOR, Claim, Experiment
from factneurons.statistics import SIGNIFICANCE, Interval, bootstrap_interval, holm, paired_permutation_test

Verdict = Literal["holds", "fails", "cannot tell"]

_OTHER = {"greater": "less", "less": "greater"}


@dataclass(frozen=True, slots=True)
class Tested:
    """One claim in one language.

    Attributes:
        claim: the claim.
        language: the language of the facts.
        verdict: see this module.
        difference: mean of what the claim is about minus what it is compared with, with its interval; None without
            facts that have both.
        p_value: of the expected direction, corrected over all claims and languages; None likewise.
        p_other: of the other direction; None likewise.
        facts: how many facts have both.
    """

    claim: Claim
    language: str
    verdict: Verdict
    difference: Interval | None
    p_value: float | None
    p_other: float | None
    facts: int


@dataclass(frozen=True, slots=True)
class Cell:
    """The mean of one measure under one condition, or a summary of it.

    Attributes:
        measure, condition, place, language: which numbers.
        interval: the mean over facts, subjects resampled.
    """

    measure: str
    condition: str
    place: str
    language: str
    interval: Interval


def cells_of(table: pd.DataFrame, experiment: Experiment) -> list[Cell]:
    """The mean of every measure, then the summaries; in the order the experiment names them.

    Args:
        table: the rows of the experiment, as in the run table `measurements`.
        experiment: the experiment.
    """
    found = []
    order = {name: number for number, name in enumerate(experiment.measures)}
    keys = ["measure", "place", "language", "condition"]
    for (measure, place, language, condition), own in table.groupby(keys, sort=False):
        interval = bootstrap_interval(own["value"], clusters=own["subject"].tolist())
        found.append(Cell(str(measure), str(condition), str(place), str(language), interval))
    found.sort(key=lambda cell: (order.get(cell.measure, len(order)), cell.language, *_beside_control(cell)))
    return [*found, *_summaries(table, experiment)]


def _beside_control(cell: Cell) -> tuple[str, bool, tuple[float, str]]:
    """Sorts a condition's places together, and its random control right after it."""
    name = cell.condition.removeprefix(RANDOM_FOR)
    return name, name != cell.condition, _numbered(cell.place)


def _numbered(place: str) -> tuple[float, str]:
    return (float(place), "") if place.isdecimal() else (-1.0, place)


def _summaries(table: pd.DataFrame, experiment: Experiment) -> Iterable[Cell]:
    for summary in experiment.summaries:
        own = table[table["measure"].isin(summary.measures)]
        for (place, language, condition), rows in own.groupby(["place", "language", "condition"], sort=False):
            wide = rows.pivot_table(index=["fact_id", "subject"], columns="measure", values="value").dropna()
            if not set(summary.measures) <= set(wide.columns) or wide.empty:
                continue
            values = wide[list(summary.measures)].to_numpy(dtype=float)
            subjects = wide.index.get_level_values("subject").tolist()
            try:
                interval = bootstrap_interval(values, clusters=subjects, statistic=summary.statistic)
            except BadNumber:  # a ratio to 0 is no number, and has no row
                continue
            yield Cell(summary.name, str(condition), str(place), str(language), interval)


def verdicts_of(table: pd.DataFrame, experiment: Experiment) -> list[Tested]:
    """Every claim of an experiment, tested in every language.

    Args:
        table: the rows of the experiment, as in the run table `measurements`.
        experiment: the experiment.
    """
    languages = sorted(set(table["language"]))
    pairs = [(claim, language) for claim in experiment.claims for language in languages]
    compared = [_compared(table[table["language"] == language], claim) for claim, language in pairs]
    expected = _corrected([_p_value(each, claim.direction) for each, (claim, _) in zip(compared, pairs, strict=True)])
    other = _corrected(
        [_p_value(each, _OTHER[claim.direction]) for each, (claim, _) in zip(compared, pairs, strict=True)]
    )
    return [
        Tested(claim, language, _verdict(p, q), _difference(each), p, q, len(each))
        for (claim, language), each, p, q in zip(pairs, compared, expected, other, strict=True)
    ]


def _compared(table: pd.DataFrame, claim: Claim) -> pd.DataFrame:
    """One row per fact: subject, first, second."""
    own = table[table["measure"] == claim.measure]
    first = _by_fact(own[own["condition"] == claim.condition], claim.place)
    if claim.against is None:
        return first.assign(second=0.0)
    place = claim.place if claim.against_place is None else claim.against_place
    second = _by_fact(own[own["condition"] == claim.against], place)
    return first.join(second["first"].rename("second"), how="inner")


def _by_fact(table: pd.DataFrame, place: str | None) -> pd.DataFrame:
    own = table if place is None else table[table["place"] == place]
    return own.groupby("fact_id").agg(subject=("subject", "first"), first=("value", "mean"))


def _p_value(compared: pd.DataFrame, direction: str) -> float | None:
    if compared.empty:
        return None
    subjects = compared["subject"].tolist()
    test = paired_permutation_test(
        compared["first"],
        compared["second"],
        clusters=subjects,
        alternative="greater" if direction == "greater" else "less",
    )
    return test.p_value


def _corrected(p_values: Sequence[float | None]) -> list[float | None]:
    there = [p for p in p_values if p is not None]
    corrected = iter(holm(there)) if there else iter(())
    return [None if p is None else float(next(corrected)) for p in p_values]


def _difference(compared: pd.DataFrame) -> Interval | None:
    if compared.empty:
        return None
    differences = np.asarray(compared["first"] - compared["second"], dtype=float)
    return bootstrap_interval(differences, clusters=compared["subject"].tolist())


def _verdict(expected: float | None, other: float | None) -> Verdict:
    if expected is not None and expected <= SIGNIFICANCE:
        return "holds"
    if other is not None and other <= SIGNIFICANCE:
        return "fails"
    return "cannot tell"
