"""The numbers of the report: what the tables of a run say over all facts, with 95 % bootstrap intervals.

Intervals resample subjects, because facts about one subject are no independent witnesses. Per fact, a relative
change is (P after - P before) / P before, averaged over its prompts and random draws.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from factneurons.degeneracy.types import STORAGE
from factneurons.findings.acquisition import AcquisitionSummary, acquisition_summaries
from factneurons.report.reading import KEY, FactKey, Numbers, Reading, keys
from factneurons.statistics import Interval, benjamini_hochberg, bootstrap_interval, holm

SIGNIFICANCE = 0.05
"""The p-value up to which components count as better than random partitions."""

NEURON_SETS = ("knowledge", "random for knowledge", "degenerate", "random for degenerate")
ACTIONS = ("suppress", "enhance")
PROMPTS = ("related", "unrelated")


@dataclass(frozen=True, slots=True)
class Spread:
    """How values lie: the median, the middle half, the smallest and the largest."""

    median: float
    lower: float
    upper: float
    smallest: float
    largest: float
    mean: Interval


@dataclass(frozen=True, slots=True)
class Effect:
    """What one action on one kind of neurons does to P(answer) of one kind of prompts, over facts.

    Attributes:
        neurons: one of `NEURON_SETS`.
        action: "suppress" or "enhance".
        prompts: "related" or "unrelated".
        relative: mean relative change.
        median: median relative change.
        log: mean of ln(P after / P before), in nats; None if no P was above 0.
        known: mean relative change over the facts that the model knows; None if it knows none.
        dropped: measurements that cannot enter because P before was 0.
    """

    neurons: str
    action: str
    prompts: str
    relative: Interval
    median: Interval
    log: Interval | None
    known: Interval | None
    dropped: int


@dataclass(frozen=True, slots=True)
class Contrast:
    """Relative change by the found neurons minus that by their random ones, of the same facts."""

    neurons: str
    action: str
    prompts: str
    difference: Interval


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
        tested: facts with a p-value.
        nominal: those with p at most `SIGNIFICANCE`.
        whole: those whose groups are components: losing half of every one costs as much as losing all, and they beat
            random groups where there are enough of them.
        corrected: those of `nominal` that stay so after Holm's correction over the tested facts.
        discovered: those that stay so after Benjamini and Hochberg's.
        adjusted: fact -> p-value after Holm's correction.
        partitions: random partitions per fact, if the manifest tells.
        reasons: reason -> facts that have none because of it, the most frequent first.
        storage: how facts are stored -> how many, in the order of `STORAGE`.
    """

    searched: int
    having: int
    share: Interval
    index: Interval | None
    drop_all: Interval | None
    coverage: Interval | None
    components: Spread | None
    tested: int
    nominal: int
    whole: int
    corrected: int
    discovered: int
    adjusted: Mapping[FactKey, float]
    partitions: int | None
    reasons: Mapping[str, int]
    storage: Mapping[str, int]

    @property
    def smallest_p(self) -> float | None:
        """The smallest p-value that so many random partitions can give."""
        return None if self.partitions is None else 1 / (1 + self.partitions)

    @property
    def correction_is_out_of_reach(self) -> bool:
        """Whether no p-value could survive the correction, however good the components are."""
        return self.smallest_p is not None and self.tested * self.smallest_p > SIGNIFICANCE

    @property
    def partitions_needed(self) -> int:
        """How many random partitions per fact the correction needs at least."""
        return math.ceil(self.tested / SIGNIFICANCE) - 1


@dataclass(frozen=True, slots=True)
class LossByGroups:
    """The loss of P(answer) with so many groups of neurons suppressed, over the facts that have so many groups.

    Attributes:
        which: "components", "candidates", or the random partitions beside either.
        groups: how many groups the facts have.
        suppressed: how many of them were suppressed.
        drop: mean relative loss.
    """

    which: str
    groups: int
    suppressed: int
    drop: Interval


@dataclass(frozen=True, slots=True)
class CarriedFindings:
    """What the components of facts carry beside their fact.

    Attributes:
        other_facts: share of the other facts that a component changes, mean over a fact's components; None if no
            other facts were asked.
        random: the same by random neurons of the same layers and strength.
    """

    other_facts: Interval | None
    random: Interval | None


@dataclass(frozen=True, slots=True)
class LayerError:
    """The completeness errors of one layer over all prompts."""

    layer: int
    median: float
    low: float
    high: float
    largest: float
    prompts: int


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything the report says over all facts. What was not measured is None or empty.

    Attributes:
        read: facts and records that were read.
        asked: facts that were asked.
        known: facts whose answer is the model's top prediction.
        known_share: `known` / `asked`.
        probability: P(answer) of the asked facts.
        neurons: knowledge neurons per fact.
        without_neurons: facts with none.
        effects: what interventions did, in the order of ACTIONS, PROMPTS and NEURON_SETS.
        contrasts: found minus random neurons.
        degeneracy: the search for degenerate knowledge neurons.
        acquisition: what is lost as components are suppressed, by clusterer and kind of groups.
        losses: the same by the number of groups suppressed.
        carried: what components carry beside their fact; None without components.
        layer_errors: completeness errors by layer.
    """

    read: int
    asked: int
    known: int
    known_share: Interval | None
    probability: Spread | None
    neurons: Spread | None
    without_neurons: int
    effects: tuple[Effect, ...]
    contrasts: tuple[Contrast, ...]
    degeneracy: Degeneracy | None
    acquisition: tuple[AcquisitionSummary, ...]
    losses: tuple[LossByGroups, ...]
    carried: CarriedFindings | None
    layer_errors: tuple[LayerError, ...]

    def effect(self, neurons: str, action: str, prompts: str) -> Effect | None:
        """The effect of one condition, if it was measured."""
        wanted = (neurons, action, prompts)
        return next((each for each in self.effects if (each.neurons, each.action, each.prompts) == wanted), None)

    def contrast(self, neurons: str, action: str, prompts: str) -> Contrast | None:
        """Found minus random neurons in one condition, if both were measured."""
        wanted = (neurons, action, prompts)
        return next((each for each in self.contrasts if (each.neurons, each.action, each.prompts) == wanted), None)


def findings_of(reading: Reading) -> Findings:
    """All numbers of the report."""
    facts = reading.facts
    effects = _with_facts(reading.effects, facts)
    return Findings(
        read=reading.counts["locate"].read if "locate" in reading.counts else len(facts),
        asked=len(facts),
        known=int(facts["known"].sum()),
        known_share=_interval(facts, "known"),
        probability=_spread(facts, "probability"),
        neurons=_spread(facts, "neurons"),
        without_neurons=int((facts["neurons"] == 0).sum()),
        effects=tuple(_effects(effects)),
        contrasts=tuple(_contrasts(effects)),
        degeneracy=_degeneracy(reading),
        acquisition=tuple(_acquisition(reading)),
        losses=tuple(_losses(reading)),
        carried=_carried(reading),
        layer_errors=tuple(_layer_error(layer, values) for layer, values in reading.errors.items()),
    )


def _layer_error(layer: int, values: Numbers) -> LayerError:
    low, median, high, largest = (float(value) for value in np.quantile(values, [0.05, 0.5, 0.95, 1]))
    return LayerError(layer, median, low, high, largest, len(values))


def _with_facts(table: pd.DataFrame, facts: pd.DataFrame) -> pd.DataFrame:
    merged = table.merge(facts[[*KEY, "subject", "known"]], on=KEY, how="left")
    return merged.sort_values(KEY, kind="stable", ignore_index=True)


def _interval(rows: pd.DataFrame, column: str, statistic: str = "mean") -> Interval | None:
    """Over the rows that have a number; None if none has."""
    rows = rows[rows[column].notna()]
    if rows.empty:
        return None
    values = rows[column].to_numpy(np.float64)
    return bootstrap_interval(values, clusters=rows["subject"].tolist(), statistic=statistic)


def _spread(rows: pd.DataFrame, column: str) -> Spread | None:
    mean = _interval(rows, column)
    if mean is None:
        return None
    smallest, lower, median, upper, largest = np.quantile(rows[column].dropna(), [0, 0.25, 0.5, 0.75, 1])
    return Spread(float(median), float(lower), float(upper), float(smallest), float(largest), mean)


def _conditions(effects: pd.DataFrame) -> Iterator[tuple[str, str, str, pd.DataFrame]]:
    for action in ACTIONS:
        for prompts in PROMPTS:
            chosen = effects[(effects["action"] == action) & (effects["prompts"] == prompts)]
            for neurons in NEURON_SETS:
                yield neurons, action, prompts, chosen[chosen["neurons"] == neurons]


def _effects(effects: pd.DataFrame) -> Iterator[Effect]:
    for neurons, action, prompts, rows in _conditions(effects):
        relative, median = _interval(rows, "relative"), _interval(rows, "relative", "median")
        if relative is not None and median is not None:
            known = _interval(rows[rows["known"].eq(True)], "relative")
            dropped = int((rows["rows"] - rows["relative_rows"]).sum())
            yield Effect(neurons, action, prompts, relative, median, _interval(rows, "log"), known, dropped)


def _contrasts(effects: pd.DataFrame) -> Iterator[Contrast]:
    by_condition = {(neurons, action, prompts): rows for neurons, action, prompts, rows in _conditions(effects)}
    for (neurons, action, prompts), rows in by_condition.items():
        random = by_condition.get((f"random for {neurons}", action, prompts))
        if random is None:
            continue
        both = rows.merge(random[[*KEY, "relative"]], on=KEY, suffixes=("", "_random"))
        difference = _interval(both.assign(difference=both["relative"] - both["relative_random"]), "difference")
        if difference is not None:
            yield Contrast(neurons, action, prompts, difference)


def _degeneracy(reading: Reading) -> Degeneracy | None:
    if reading.degenerate.empty:
        return None
    rows = reading.degenerate.merge(reading.facts[[*KEY, "subject"]], on=KEY, how="left")
    having = rows[rows["components"] >= 2]
    tested = having[having["p_value"].notna()]
    p_values = tested["p_value"].to_numpy(np.float64)
    adjusted, discovered = holm(p_values), benjamini_hochberg(p_values)
    share = _interval(rows.assign(having=rows["components"] >= 2), "having")
    assert share is not None
    return Degeneracy(
        searched=len(rows),
        having=len(having),
        share=share,
        index=_interval(having, "degeneracy_index"),
        drop_all=_interval(having, "drop_all"),
        coverage=_interval(having, "coverage"),
        components=_spread(having, "components"),
        tested=len(tested),
        nominal=int((tested["p_value"] <= SIGNIFICANCE).sum()),
        whole=int((tested["grouping"] == "distinct").sum()),
        corrected=int((adjusted <= SIGNIFICANCE).sum()),
        discovered=int((discovered <= SIGNIFICANCE).sum()),
        adjusted=dict(zip(keys(tested), adjusted.tolist(), strict=True)),
        partitions=_partitions(reading),
        reasons=_most_frequent_first(rows.loc[rows["components"] < 2, "reason"].tolist()),
        storage={name: int((rows["storage"] == name).sum()) for name in STORAGE},
    )


def _acquisition(reading: Reading) -> list[AcquisitionSummary]:
    if reading.acquisition.empty:
        return []
    searched = reading.degenerate[KEY].merge(reading.facts[[*KEY, "subject"]], on=KEY, how="left")
    return acquisition_summaries(reading.acquisition, searched)


def _losses(reading: Reading) -> Iterator[LossByGroups]:
    if reading.acquisition.empty:
        return
    rows = reading.acquisition.merge(reading.facts[[*KEY, "subject"]], on=KEY, how="left")
    for (which, groups, suppressed), own in rows.groupby(["which", "groups", "k"]):
        drop = _interval(own, "mean_drop")
        assert drop is not None
        yield LossByGroups(str(which), int(str(groups)), int(str(suppressed)), drop)


def _carried(reading: Reading) -> CarriedFindings | None:
    if reading.carried.empty:
        return None
    rows = reading.carried.merge(reading.facts[[*KEY, "subject"]], on=KEY, how="left")
    shares = rows.groupby([*KEY, "subject"], as_index=False)[["other_facts", "random_other_facts"]].mean()
    return CarriedFindings(
        other_facts=_interval(shares, "other_facts"),
        random=_interval(shares, "random_other_facts"),
    )


def _most_frequent_first(reasons: list[str]) -> dict[str, int]:
    return dict(sorted(Counter(reasons).items(), key=lambda item: (-item[1], item[0])))


def _partitions(reading: Reading) -> int | None:
    record = reading.run.manifest.stages.get("degenerate")
    value: Any = None if record is None else record.settings.get("partitions")
    return value if isinstance(value, int) and value > 0 else None
