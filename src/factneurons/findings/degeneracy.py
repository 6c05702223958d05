"""What the search for degenerate knowledge neurons amounts to: how facts are stored, and how good their groups are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from factneurons.degeneracy.types import STORAGE
from factneurons.findings.effects import KEY, FactKey, interval_of
from factneurons.statistics import Finding


@dataclass(frozen=True, slots=True)
class Spread:
    """How values of facts lie: the median, the middle half, the smallest and the largest, and their mean."""

    median: float
    lower: float
    upper: float
    smallest: float
    largest: float
    mean: Finding


@dataclass(frozen=True, slots=True)
class Degeneracy:
    """How many facts have degenerate knowledge neurons, and how good they are.

    Attributes:
        searched: facts that were looked at.
        having: facts with components that pass the functional tests.
        share: `having` / `searched`.
        index: degeneracy index of those; None if there is none.
        drop_all: relative loss of P(answer) with all components suppressed.
        coverage: share of the knowledge neurons that the components hold.
        components: components per fact.
        distinct: those whose groups pass the halving test.
        undecided: those whose groups cannot be tested.
        reasons: reason -> facts that have none because of it, or are undecided, the most frequent first.
        storage: how facts are stored -> how many, in the order of `STORAGE`.
    """

    searched: int
    having: int
    share: Finding
    index: Finding | None
    drop_all: Finding | None
    coverage: Finding | None
    components: Spread | None
    distinct: int
    undecided: int
    reasons: Mapping[str, int]
    storage: Mapping[str, int]

    @property
    def findings(self) -> list[Finding]:
        """Its numbers."""
        return [each for each in (self.share, self.index, self.drop_all, self.coverage) if each is not None]


def degeneracy_of(degenerate: pd.DataFrame, facts: pd.DataFrame) -> Degeneracy | None:
    """Sum up the table `degenerate` of a run; None without rows.

    Args:
        degenerate: the table, sorted by fact.
        facts: the run's table `facts`.
    """
    if degenerate.empty:
        return None
    rows = degenerate.merge(facts[[*KEY, "subject"]], on=KEY, how="left")
    having = rows[rows["components"] >= 2]
    share = finding_of(rows.assign(having=rows["components"] >= 2), "having", "facts with degenerate neurons, share")
    assert share is not None
    return Degeneracy(
        searched=len(rows),
        having=len(having),
        share=share,
        index=finding_of(having, "degeneracy_index", "degeneracy index"),
        drop_all=finding_of(having, "drop_all", "loss of P(answer), all components suppressed"),
        coverage=finding_of(having, "coverage", "share of the knowledge neurons in components"),
        components=spread_of(having, "components", "components per fact"),
        distinct=int((rows["grouping"] == "distinct").sum()),
        undecided=int((rows["grouping"] == "undecided").sum()),
        reasons=_most_frequent_first(rows.loc[rows["reason"] != "", "reason"].tolist()),
        storage={name: int((rows["storage"] == name).sum()) for name in STORAGE},
    )


def carried_of(carried: pd.DataFrame, facts: pd.DataFrame) -> Finding | None:
    """The share of other facts that a component changes, beside random neurons of the same layers and strength.

    The mean over a fact's components, then over facts. None without components, or if no other facts were asked.

    Args:
        carried: the run's table of that name.
        facts: its table `facts`.
    """
    if carried.empty:
        return None
    rows = carried.merge(facts[[*KEY, "subject"]], on=KEY, how="left")
    shares = rows.groupby([*KEY, "subject"], as_index=False)[["other_facts", "random_other_facts"]].mean()
    interval = interval_of(shares, "other_facts")
    control = interval_of(shares, "random_other_facts")
    return None if interval is None else Finding("share of other facts that a component changes", interval, {}, control)


def finding_of(rows: pd.DataFrame, column: str, name: str) -> Finding | None:
    """The mean of a column over the facts that have a number; None if none has."""
    interval = interval_of(rows, column)
    return None if interval is None else Finding(name, interval)


def spread_of(rows: pd.DataFrame, column: str, name: str) -> Spread | None:
    """How a column's values lie; None if no fact has a number."""
    mean = finding_of(rows, column, name)
    if mean is None:
        return None
    smallest, lower, median, upper, largest = np.quantile(rows[column].dropna(), [0, 0.25, 0.5, 0.75, 1])
    return Spread(float(median), float(lower), float(upper), float(smallest), float(largest), mean)


def keys(frame: pd.DataFrame) -> list[FactKey]:
    """The fact of every row."""
    return list(zip(frame["fact_id"].tolist(), frame["language"].tolist(), strict=True))


def _most_frequent_first(reasons: list[str]) -> dict[str, int]:
    return dict(sorted(Counter(reasons).items(), key=lambda item: (-item[1], item[0])))
