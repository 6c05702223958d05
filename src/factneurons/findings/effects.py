"""What changing neurons did, over facts: relative changes of P(answer) with bootstrap intervals.

Per fact r = (P after - P before) / P before, P the mean over its prompts (unrelated: r of each other fact, then their
mean), then, for random neurons, the mean over the draws; and the change of log P in nats, of every prompt by itself,
then their mean. Over facts the mean, with an interval that resamples subjects. Where P was below `LEAST_PROBABILITY`
before there is no r, only the change of log P: next to 0 a relative change says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from factneurons.attribution.settings import ACTIONS
from factneurons.statistics import LEAST_PROBABILITY, NO_NUMBER, Finding, Interval, bootstrap_interval

FactKey = tuple[str, str]
"""fact_id and language: what names one fact of a run."""

KEY = ["fact_id", "language"]
CONDITION = ["neurons", "action", "prompts"]
NEURONS = ("knowledge", "degenerate")
RANDOM_FOR = "random for "
PROMPTS = ("related", "unrelated")

_MEASURES = ["relative", "log", "before", "after"]


@dataclass(frozen=True, slots=True)
class Effect:
    """What one action on one kind of neurons does to P(answer) of one kind of prompts.

    Attributes:
        neurons: "knowledge" or "degenerate".
        action: "suppress" or "enhance".
        prompts: "related" or "unrelated".
        relative: mean relative change, beside that by matched random neurons; NaN, of 0 facts, where there is none.
        median: median relative change, likewise.
        log: mean change of log P(answer), in nats; None if no P was above 0.
        known: mean relative change over the facts that the model knows; None if it knows none.
        left_out: facts whose P(answer) is below `LEAST_PROBABILITY` to begin with, so that there is no relative change.
        dropped: measurements that cannot enter because of that, of the found and of random neurons.
    """

    neurons: str
    action: str
    prompts: str
    relative: Finding
    median: Finding
    log: Finding | None
    known: Finding | None
    left_out: int
    dropped: int

    @property
    def findings(self) -> list[Finding]:
        """Its numbers."""
        every = (self.relative, self.median, self.log, self.known)
        return [each for each in every if each is not None and each.n]


def changes_of(frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """One row per fact and condition from rows of `interventions`, given in one frame or in many.

    relative = mean of (after - before) / before, log = mean of the change of log P, both over the random draws and the
    rows of the facts asked; rows in which P is below `LEAST_PROBABILITY` before (for the logarithm: 0 in a prompt)
    cannot enter and are counted: `relative_rows` and `log_rows` of `rows` did. Runs of earlier versions kept no change
    of log P: of them it is ln(after / before) of the means over prompts.
    """
    sums = [_sums(frame) for frame in frames]
    if not sums:
        return pd.DataFrame(
            columns=[*KEY, *CONDITION, *_MEASURES, "relative_rows", "log_rows", "rows", "size", "draws"]
        )
    grouped = pd.concat(sums).groupby(level=list(range(5)))
    total = grouped.sum().drop(columns=["size", "draws"]).join(grouped[["size", "draws"]].max())
    rows = {"relative": "relative_rows", "log": "log_rows", "before": "rows", "after": "rows"}
    for column in _MEASURES:
        total[column] = total[column] / total[rows[column]].where(total[rows[column]] > 0)
    return total.reset_index()


def _sums(frame: pd.DataFrame) -> pd.DataFrame:
    before, after = frame["probability_before"], frame["probability_after"]
    relative = ((after - before) / before).where(before >= LEAST_PROBABILITY)
    measures = frame[[*KEY, *CONDITION]].assign(
        relative=relative,
        log=log_change_of(frame),
        before=before,
        after=after,
        relative_rows=relative.notna().astype(int),
        log_rows=log_change_of(frame).notna().astype(int),
        rows=1,
        size=frame["size"],
        draws=frame["draw"],
    )
    grouped = measures.groupby([*KEY, *CONDITION])
    summed = grouped.sum(numeric_only=True).drop(columns=["size", "draws"])
    return summed.join(grouped[["size", "draws"]].max())


def log_change_of(frame: pd.DataFrame) -> pd.Series:
    """Change of log P(answer) of every row, in nats; NaN where P is 0."""
    before, after = frame["probability_before"], frame["probability_after"]
    both = (before > 0) & (after > 0)
    of_means = pd.Series(np.log(after.where(both) / before.where(both)), index=frame.index)
    return frame["log_change"].astype(np.float64).fillna(of_means)


def effects_of(changes: pd.DataFrame, facts: pd.DataFrame) -> list[Effect]:
    """The effects that were measured, in the order of ACTIONS, PROMPTS and NEURONS.

    Args:
        changes: from `changes_of`.
        facts: the run's table `facts`.
    """
    rows = changes.merge(facts[[*KEY, "subject", "known"]], on=KEY, how="left")
    rows = rows.sort_values(KEY, kind="stable", ignore_index=True)
    effects = (
        _effect(rows, neurons, action, prompts) for action in ACTIONS for prompts in PROMPTS for neurons in NEURONS
    )
    return [each for each in effects if each is not None]


def _effect(changes: pd.DataFrame, neurons: str, action: str, prompts: str) -> Effect | None:
    own = changes[(changes["action"] == action) & (changes["prompts"] == prompts)]
    found, random = (own[own["neurons"] == name] for name in (neurons, f"{RANDOM_FOR}{neurons}"))
    finding = partial(_finding, found, random, {"neurons": neurons, "action": action, "prompts": prompts})
    log = finding("change of log P(answer), nats", "log")
    relative = finding("relative change of P(answer)", "relative", contrast=True)
    median = finding("relative change of P(answer), median", "relative", statistic="median")
    if relative is None or median is None:
        if log is None:
            return None
        control = None if random.empty else NO_NUMBER
        relative = median = Finding("relative change of P(answer)", NO_NUMBER, log.under, control)
    return Effect(
        neurons,
        action,
        prompts,
        relative,
        median,
        log=log,
        known=finding("relative change of P(answer), known facts", "relative", known=True),
        left_out=int(found["relative"].isna().sum()),
        dropped=int(sum((rows["rows"] - rows["relative_rows"]).sum() for rows in (found, random))),
    )


def _finding(
    found: pd.DataFrame,
    random: pd.DataFrame,
    under: dict[str, str | int],
    name: str,
    column: str,
    *,
    statistic: str = "mean",
    known: bool = False,
    contrast: bool = False,
) -> Finding | None:
    if known:
        found, random = (rows[rows["known"].eq(True)] for rows in (found, random))
    interval = interval_of(found, column, statistic)
    if interval is None:
        return None
    difference = None
    if contrast:
        both = found.merge(random[[*KEY, column]], on=KEY, suffixes=("", "_random"))
        difference = interval_of(both.assign(difference=both[column] - both[f"{column}_random"]), "difference")
    return Finding(name, interval, under, interval_of(random, column, statistic), difference)


def interval_of(rows: pd.DataFrame, column: str, statistic: str = "mean") -> Interval | None:
    """A statistic of a column over the rows that have a number, their subjects resampled; None if none has."""
    rows = rows[rows[column].notna()]
    if rows.empty:
        return None
    values = rows[column].to_numpy(np.float64)
    return bootstrap_interval(values, clusters=rows["subject"].tolist(), statistic=statistic)
