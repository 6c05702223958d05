"""Acquisition of facts: what is lost as components are suppressed, per clusterer, with bootstrap intervals.

A few numbers per clusterer and kind of groups, as 'Cracking Factual Knowledge' (ACL 2025) compares its clustering with
others: mean loss over the proper subsets of the components, loss with all of them suppressed, and their difference.
Expected of components: no loss, then a jump. Random partitions go through the same code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from factneurons.degeneracy.indices import degeneracy_index, mean_of_proper_subsets
from factneurons.errors import BadSetting
from factneurons.findings.effects import KEY, RANDOM_FOR, interval_of
from factneurons.statistics import Finding

KINDS = ("components", "candidates")
"""Groups after the functional tests, and before."""

_CURVE = ["clusterer", "which"]
NAMES = {
    "share": "facts with groups, share",
    "proper": "loss of P(answer), some groups suppressed",
    "all": "loss of P(answer), all groups suppressed",
    "jump": "loss of P(answer), all instead of some groups suppressed",
    "index": "degeneracy index",
    "groups": "groups per fact",
    "size": "neurons per group",
}
"""Number -> what it is. The index is over the facts that lose anything; of "proper" less is better, of "jump" more."""


@dataclass(frozen=True, slots=True)
class Acquisition:
    """One clusterer's groups over all facts that have two or more, beside random partitions of the same sizes.

    Attributes:
        clusterer: its name.
        which: "components" (after the functional tests) or "candidates" (before).
        findings: name of `NAMES` -> the number; without "index" where no fact loses anything.
    """

    clusterer: str
    which: str
    findings: Mapping[str, Finding]


def acquisitions_of(acquisition: pd.DataFrame, searched: pd.DataFrame) -> list[Acquisition]:
    """One per clusterer and kind of groups, in the order of the clusterers' names and of `KINDS`.

    Args:
        acquisition: the table of that name, of one run or of several clusterers.
        searched: one row per fact that was searched: fact_id, language and subject. Intervals resample subjects.

    Raises:
        BadSetting: a fact of `acquisition` that is not among those searched.
    """
    found = _per_fact(acquisition).merge(searched[[*KEY, "subject"]], on=KEY, how="left")
    if found["subject"].isna().any():
        raise BadSetting(f"fact {found.loc[found['subject'].isna(), 'fact_id'].iloc[0]!r} is not among those searched")
    return [
        _acquisition(clusterer, which, found[found["clusterer"] == clusterer], searched)
        for clusterer in sorted(set(found["clusterer"]))
        for which in KINDS
        if ((found["clusterer"] == clusterer) & (found["which"] == which)).any()
    ]


def losses_of(acquisition: pd.DataFrame, facts: pd.DataFrame) -> list[Finding]:
    """The loss with so many groups suppressed, over the facts that have so many groups.

    Each is under: which (of `KINDS`), groups (how many the facts have), suppressed (how many of them).

    Args:
        acquisition: the run's table of that name.
        facts: its table `facts`.
    """
    rows = acquisition.merge(facts[[*KEY, "subject"]], on=KEY, how="left")
    intervals = {
        (str(which), int(str(groups)), int(str(suppressed))): interval_of(own, "mean_drop")
        for (which, groups, suppressed), own in rows.groupby(["which", "groups", "k"])
    }
    return [
        Finding(
            "loss of P(answer)",
            interval,
            {"which": which, "groups": groups, "suppressed": suppressed},
            intervals.get((f"{RANDOM_FOR}{which}", groups, suppressed)),
        )
        for (which, groups, suppressed), interval in intervals.items()
        if which in KINDS and interval is not None
    ]


def _per_fact(acquisition: pd.DataFrame) -> pd.DataFrame:
    """One row per fact, clusterer and kind of groups: what its curve comes to."""
    rows = []
    for key, points in acquisition.sort_values("k").groupby([*KEY, *_CURVE], sort=True):
        drops = points["mean_drop"].to_numpy(np.float64)
        proper, everything = mean_of_proper_subsets(drops.tolist()), float(drops[-1])
        groups = len(drops)
        rows.append(
            {
                **dict(zip([*KEY, *_CURVE], key, strict=True)),
                "proper": proper,
                "all": everything,
                "jump": everything - proper,
                "index": degeneracy_index(everything, drops[-2:-1]),
                "groups": float(groups),
                "size": float(points["size"].iloc[0]) / groups,
            }
        )
    return pd.DataFrame(rows, columns=[*KEY, *_CURVE, *(name for name in NAMES if name != "share")])


def _acquisition(clusterer: str, which: str, found: pd.DataFrame, searched: pd.DataFrame) -> Acquisition:
    own, random = (found[found["which"] == name] for name in (which, f"{RANDOM_FOR}{which}"))
    own, random = _with_share(own, searched), _with_share(random, searched)
    under: dict[str, str | int] = {"clusterer": clusterer, "which": which}
    findings = {}
    for column, name in NAMES.items():
        interval, control = interval_of(own, column), None
        if random["proper"].notna().any():
            control = interval_of(random, column)
        if interval is not None:
            findings[column] = Finding(name, interval, under, control)
    return Acquisition(clusterer, which, findings)


def _with_share(rows: pd.DataFrame, searched: pd.DataFrame) -> pd.DataFrame:
    """A row for every fact that was searched; `share` is 1 where it has groups, and nothing else is there where not."""
    every = searched[[*KEY, "subject"]].merge(rows.drop(columns="subject"), on=KEY, how="left")
    return every.assign(share=every["proper"].notna().astype(float))
