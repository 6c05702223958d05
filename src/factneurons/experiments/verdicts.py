"""From rows to verdicts: means with intervals, and whether a claim holds, fails, or cannot be told.

holds                  the paired test has p <= 0.05, two-sided, after Holm's correction, and the difference is as
                       expected
fails                  it has, and the difference is the other way
cannot tell            it has not: too few facts, or no difference large enough
cannot tell by design  there are only facts about which the design decides (`Claim.where`), not the model

Both directions are one family: a claim gets one p-value, and it counts whichever way it comes out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from factneurons.errors import BadNumber
from factneurons.experiments.experiment import RANDOM_FOR, Claim, Direction, Experiment
from factneurons.statistics import (
    NO_NUMBER,
    SIGNIFICANCE,
    Interval,
    bootstrap_interval,
    holm,
    paired_permutation_test,
    smallest_p_value,
)

_MOST_SUBJECTS = 64
"""Beyond this many the smallest p-value no longer falls: flips are drawn, not counted."""

Verdict = Literal["holds", "fails", "cannot tell", "cannot tell by design"]


@dataclass(frozen=True, slots=True)
class Tested:
    """One claim in one language.

    Attributes:
        claim: the claim.
        language: the language of the facts.
        verdict: see this module.
        difference: mean of what the claim is about minus what it is compared with, with its interval; None without
            facts that have both.
        p_value: two-sided, corrected over all claims and languages; None likewise.
        facts: how many facts have both, and enter.
        by_design: how many have both and do not enter, because the design decides about them.
        subjects: how many subjects the facts that enter are about.
        smallest_p: the smallest p-value, corrected, that so many subjects could have given, whatever the difference,
            with the other claims as they are; None without facts.
        enough: the fewest subjects with which it could have been at most `SIGNIFICANCE`.
    """

    claim: Claim
    language: str
    verdict: Verdict
    difference: Interval | None
    p_value: float | None
    facts: int
    by_design: int = 0
    subjects: int = 0
    smallest_p: float | None = None
    enough: int | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """The mean of one measure under one condition, or a summary of it.

    Attributes:
        measure, condition, place, language: which numbers.
        interval: the mean over facts, subjects resampled; NaN where there is no number.
        left_out: how many facts are left out of it.
        reason: why they are, or why there is no number; "" where nothing is missing.
    """

    measure: str
    condition: str
    place: str
    language: str
    interval: Interval
    left_out: int = 0
    reason: str = ""


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
            every = rows.pivot_table(index=["fact_id", "subject"], columns="measure", values="value")
            wide = every.reindex(columns=list(summary.measures)).dropna()
            left_out = len(every) - len(wide)
            reason = "not all of its measures are there" if left_out else ""
            interval = NO_NUMBER
            try:
                if len(wide):
                    subjects = wide.index.get_level_values("subject").tolist()
                    values = wide.to_numpy(dtype=float)
                    interval = bootstrap_interval(values, clusters=subjects, statistic=summary.statistic)
            except BadNumber:
                left_out, reason = len(every), "it is a ratio to 0"
            yield Cell(summary.name, str(condition), str(place), str(language), interval, left_out, reason)


def verdicts_of(table: pd.DataFrame, experiment: Experiment) -> list[Tested]:
    """Every claim of an experiment, tested in every language.

    Args:
        table: the rows of the experiment, as in the run table `measurements`.
        experiment: the experiment.
    """
    languages = sorted(set(table["language"]))
    return judged_together([(table, claim, language) for claim in experiment.claims for language in languages])


def judged_together(asked: Sequence[tuple[pd.DataFrame, Claim, str]]) -> list[Tested]:
    """Claims tested as one family: Holm's correction goes over all of them, whatever model or experiment they are of.

    Args:
        asked: the rows of an experiment, a claim about them, and the language it is tested in.
    """
    compared = [_compared(table[table["language"] == language], claim) for table, claim, language in asked]
    entering = [rows[rows["enters"]] for rows in compared]
    p_values = [_p_value(rows) for rows in entering]
    after = corrected(p_values)
    found = []
    for place, ((_, claim, language), every, rows) in enumerate(zip(asked, compared, entering, strict=True)):
        subjects = rows["subject"].nunique()
        smallest, enough = at_best(p_values, place, subjects, smallest_p_value)
        told = _tested(claim, language, rows, after[place], len(every) - len(rows))
        found.append(replace(told, subjects=subjects, smallest_p=smallest, enough=enough))
    return found


def at_best(
    p_values: Sequence[float | None], place: int, count: int, smallest: Callable[[int], float]
) -> tuple[float | None, int | None]:
    """What one of several tests could have told at best, the others as they are.

    Args:
        p_values: of all tests, uncorrected; None: not tested.
        place: which of them.
        count: how many things it rests on.
        smallest: how many things -> the smallest p-value that they can give.

    Returns:
        The smallest corrected p-value that it could have had (None without any thing), and the fewest things with which
        it could have been at most `SIGNIFICANCE` (None: more than 63).
    """

    def corrected_at_best(things: int) -> float:
        own = [smallest(things) if number == place else p for number, p in enumerate(p_values)]
        return corrected(own)[place] or 0.0

    enough = next((things for things in range(1, _MOST_SUBJECTS) if corrected_at_best(things) <= SIGNIFICANCE), None)
    return corrected_at_best(count) if count else None, enough


def _compared(table: pd.DataFrame, claim: Claim) -> pd.DataFrame:
    """One row per fact that has both: subject, first, second, and whether it enters."""
    own = table[table["measure"] == claim.measure]
    both = _by_fact(own[own["condition"] == claim.condition], claim.place).assign(second=0.0)
    if claim.against is not None:
        place = claim.place if claim.against_place is None else claim.against_place
        second = _by_fact(own[own["condition"] == claim.against], place)
        both = both.drop(columns="second").join(second["first"].rename("second"), how="inner")
    deciding = table[(table["measure"] == claim.where) & (table["value"] == 1)]
    return both.assign(enters=True if claim.where is None else both.index.isin(deciding["fact_id"]))


def _by_fact(table: pd.DataFrame, place: str | None) -> pd.DataFrame:
    own = table if place is None else table[table["place"] == place]
    return own.groupby("fact_id").agg(subject=("subject", "first"), first=("value", "mean"))


def _p_value(compared: pd.DataFrame) -> float | None:
    if compared.empty:
        return None
    test = paired_permutation_test(compared["first"], compared["second"], clusters=compared["subject"].tolist())
    return test.p_value


def corrected(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's correction over the tests that there are."""
    there = [p for p in p_values if p is not None]
    adjusted = iter(holm(there)) if there else iter(())
    return [None if p is None else float(next(adjusted)) for p in p_values]


def verdict_of(effect: float | None, p_value: float | None, expected: Direction) -> Verdict:
    """Holds, fails or cannot tell, by the corrected p-value and the sign of the effect."""
    if effect is None or p_value is None or p_value > SIGNIFICANCE:
        return "cannot tell"
    return "holds" if (effect > 0) == (expected == "greater") else "fails"


def _difference(compared: pd.DataFrame) -> Interval | None:
    if compared.empty:
        return None
    differences = np.asarray(compared["first"] - compared["second"], dtype=float)
    return bootstrap_interval(differences, clusters=compared["subject"].tolist())


def _tested(claim: Claim, language: str, compared: pd.DataFrame, p_value: float | None, by_design: int) -> Tested:
    difference = _difference(compared)
    verdict = verdict_of(None if difference is None else difference.estimate, p_value, claim.direction)
    if by_design and compared.empty:
        verdict = "cannot tell by design"
    return Tested(claim, language, verdict, difference, p_value, len(compared), by_design)
