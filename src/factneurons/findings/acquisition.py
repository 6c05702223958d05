"""Acquisition of facts: what is lost as components are suppressed, per clusterer, with bootstrap intervals.

One row of numbers per clusterer and kind of groups, as 'Cracking Factual Knowledge' (ACL 2025) compares its
clustering with others: mean loss over the proper subsets of the components, loss with all of them suppressed, and
their difference. Expected of components: no loss, then a jump. Random partitions go through the same code.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import pandas as pd

from factneurons.attribution.types import KnowledgeNeurons
from factneurons.degeneracy.acquisition import acquisition_curves
from factneurons.degeneracy.find import SuppressibleModel, degenerate_neurons, suppressed_by
from factneurons.degeneracy.functional import Drops, degeneracy_index
from factneurons.degeneracy.scale import GapUnits
from factneurons.degeneracy.settings import DegeneracySettings
from factneurons.degeneracy.tables import ACQUISITION
from factneurons.degeneracy.types import AcquisitionCurve, DegenerateNeurons, FactCurves, mean_of_proper_subsets
from factneurons.errors import BadSetting
from factneurons.statistics import Interval, bootstrap_interval

KINDS = ("components", "random for components", "candidates", "random for candidates")
_KEY = ["fact_id", "language"]


@dataclass(frozen=True, slots=True)
class AcquisitionSummary:
    """One clusterer's groups over all facts that have them; losses are relative to P(answer).

    Attributes:
        clusterer: its name.
        which: "components" (after the functional tests), "candidates" (before), or random partitions beside.
        facts: facts with at least two groups.
        share: these, as a share of all facts that were searched.
        proper: mean loss over proper subsets of the groups; higher is worse.
        all: loss with all groups suppressed; higher is better.
        jump: `all` - `proper` of the same fact; higher is better.
        index: degeneracy index, over the facts that lose anything; None if none does.
        groups: groups per fact.
        size: neurons per group.
    """

    clusterer: str
    which: str
    facts: int
    share: Interval
    proper: Interval
    all: Interval
    jump: Interval
    index: Interval | None
    groups: Interval
    size: Interval


def measure_acquisition(
    model: SuppressibleModel, known: KnowledgeNeurons, found: DegenerateNeurons, settings: DegeneracySettings
) -> tuple[AcquisitionCurve, ...]:
    """The acquisition curves of one fact (`acquisition_curves`), with losses measured in a model."""
    return acquisition_curves(found, known, Drops(suppressed_by(model, known)), settings)


def acquisition_by_clusterer(
    model: SuppressibleModel,
    known: Iterable[KnowledgeNeurons],
    clusterers: Sequence[str],
    settings: DegeneracySettings | None = None,
) -> pd.DataFrame:
    """Search every fact with several clusterers and measure their groups: the table `acquisition` of them all.

    Args:
        model: the model in which the knowledge neurons were found.
        known: the knowledge neurons.
        clusterers: names of clusterers.
        settings: all other options.

    Raises:
        BadSetting: an unknown clusterer.
        BadNumber: a weight or a probability that is NaN.
    """
    settings = settings or DegeneracySettings()
    variants = [replace(settings, clusterer=name) for name in clusterers]
    units = GapUnits(model, settings)
    curves = []
    for each in known:
        for variant in variants:
            found = degenerate_neurons(model, each, variant, units)
            curves.append(FactCurves(each.fact, variant.clusterer, measure_acquisition(model, each, found, variant)))
    return ACQUISITION.frame(curves)


def acquisition_summaries(acquisition: pd.DataFrame, searched: pd.DataFrame) -> list[AcquisitionSummary]:
    """One summary per clusterer and kind of groups, in the order of the clusterers' names and of `KINDS`.

    Args:
        acquisition: the table of that name, of one run or of several clusterers.
        searched: one row per fact that was searched: fact_id, language and subject. Intervals resample subjects.

    Raises:
        BadSetting: a fact of `acquisition` that is not among those searched.
    """
    found = _per_fact(acquisition).merge(searched[[*_KEY, "subject"]], on=_KEY, how="left")
    if found["subject"].isna().any():
        raise BadSetting(f"fact {found.loc[found['subject'].isna(), 'fact_id'].iloc[0]!r} is not among those searched")
    summaries = []
    for clusterer in sorted(set(found["clusterer"])):
        for which in KINDS:
            rows = found[(found["clusterer"] == clusterer) & (found["which"] == which)]
            if len(rows):
                summaries.append(_summary(clusterer, which, rows, searched))
    return summaries


def summaries_frame(summaries: Iterable[AcquisitionSummary]) -> pd.DataFrame:
    """One row per summary: every interval as NAME, NAME_low and NAME_high."""
    rows = []
    for summary in summaries:
        row: dict[str, object] = {}
        for name, value in asdict(summary).items():
            if isinstance(value, dict):
                row |= {name: value["estimate"], f"{name}_low": value["low"], f"{name}_high": value["high"]}
            else:
                row[name] = value
        rows.append(row)
    return pd.DataFrame(rows)


def _per_fact(acquisition: pd.DataFrame) -> pd.DataFrame:
    """One row per fact, clusterer and kind of groups: what its curve comes to."""
    rows = []
    for key, points in acquisition.sort_values("k").groupby([*_KEY, "clusterer", "which"], sort=True):
        drops = points["mean_drop"].to_numpy(np.float64)
        proper, everything = mean_of_proper_subsets(drops.tolist()), float(drops[-1])
        groups = len(drops)
        rows.append(
            {
                **dict(zip([*_KEY, "clusterer", "which"], key, strict=True)),
                "proper": proper,
                "all": everything,
                "jump": everything - proper,
                "index": degeneracy_index(everything, drops[-2:-1]),
                "groups": float(groups),
                "size": float(points["size"].iloc[0]) / groups,
            }
        )
    columns = [*_KEY, "clusterer", "which", "proper", "all", "jump", "index", "groups", "size"]
    return pd.DataFrame(rows, columns=columns)


def _summary(clusterer: str, which: str, rows: pd.DataFrame, searched: pd.DataFrame) -> AcquisitionSummary:
    with_groups = searched[[*_KEY, "subject"]].merge(rows[_KEY].assign(having=1.0), on=_KEY, how="left")
    indexed = rows[rows["index"].notna()]
    return AcquisitionSummary(
        clusterer=clusterer,
        which=which,
        facts=len(rows),
        share=_interval(with_groups.fillna({"having": 0.0}), "having"),
        proper=_interval(rows, "proper"),
        all=_interval(rows, "all"),
        jump=_interval(rows, "jump"),
        index=_interval(indexed, "index") if len(indexed) else None,
        groups=_interval(rows, "groups"),
        size=_interval(rows, "size"),
    )


def _interval(rows: pd.DataFrame, column: str) -> Interval:
    return bootstrap_interval(rows[column].to_numpy(np.float64), clusters=list(rows["subject"]))
