"""What a run's tables say over all facts, with 95 % bootstrap intervals: all that its report and Python are told.

Intervals resample subjects, because facts about one subject are no independent witnesses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from factneurons.attribution.settings import JOINT_METHODS
from factneurons.findings.acquisition import Acquisition, acquisitions_of, losses_of
from factneurons.findings.degeneracy import Degeneracy, Spread, carried_of, degeneracy_of, finding_of, spread_of
from factneurons.findings.effects import KEY, Effect, effects_of
from factneurons.statistics import Finding, Interval, Numbers


@dataclass(frozen=True, slots=True)
class LayerError:
    """The completeness errors of one layer over all prompts."""

    layer: int
    median: float
    low: float
    high: float
    largest: float
    prompts: int


@dataclass(slots=True)
class Frames:
    """The tables of a run that its findings rest on; what it has not is empty.

    Attributes:
        facts: the table `facts`, sorted by fact.
        read: facts and records that were read.
        degenerate, acquisition, carried: the tables of these names, sorted by fact.
        changes: what was done to P(answer), by fact and condition; from `effects.changes_of`.
        errors: layer -> completeness errors of all prompts.
    """

    facts: pd.DataFrame
    read: int
    degenerate: pd.DataFrame = field(default_factory=pd.DataFrame)
    acquisition: pd.DataFrame = field(default_factory=pd.DataFrame)
    carried: pd.DataFrame = field(default_factory=pd.DataFrame)
    changes: pd.DataFrame = field(default_factory=pd.DataFrame)
    errors: Mapping[int, Numbers] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Findings:
    """What a run says over all facts. What was not measured is None or empty.

    Attributes:
        read: facts and records that were read.
        asked: facts that were asked.
        known: facts whose answer is the model's top prediction.
        known_share: `known` / `asked`.
        probability: P(answer) of the asked facts.
        neurons: knowledge neurons per fact.
        without_neurons: facts with none.
        effects: what interventions did, in the order of `effects.ACTIONS`, PROMPTS and NEURONS.
        degeneracy: the search for degenerate knowledge neurons.
        acquisition: what is lost as components are suppressed, by clusterer and kind of groups.
        losses: the same by the number of groups suppressed.
        carried: what components carry beside their fact; None without components.
        layer_errors: completeness errors by layer.
        joint: whether each of them is one number for all layers together, as a joint path gives.
    """

    read: int
    asked: int
    known: int
    known_share: Finding | None
    probability: Spread | None
    neurons: Spread | None
    without_neurons: int
    effects: tuple[Effect, ...]
    degeneracy: Degeneracy | None
    acquisition: tuple[Acquisition, ...]
    losses: tuple[Finding, ...]
    carried: Finding | None
    layer_errors: tuple[LayerError, ...]
    joint: bool

    def effect(self, neurons: str, action: str, prompts: str) -> Effect | None:
        """The effect of one condition, if it was measured."""
        wanted = (neurons, action, prompts)
        return next((each for each in self.effects if (each.neurons, each.action, each.prompts) == wanted), None)

    @property
    def all(self) -> list[Finding]:
        """Every number."""
        spreads = [each.mean for each in (self.probability, self.neurons) if each is not None]
        return [
            *([] if self.known_share is None else [self.known_share]),
            *spreads,
            *(finding for effect in self.effects for finding in effect.findings),
            *([] if self.degeneracy is None else self.degeneracy.findings),
            *(finding for each in self.acquisition for finding in each.findings.values()),
            *self.losses,
            *([] if self.carried is None else [self.carried]),
        ]


def findings_from(frames: Frames) -> Findings:
    """All numbers of a run's tables."""
    facts, acquisition = frames.facts, frames.acquisition
    searched = None if acquisition.empty else frames.degenerate[KEY].merge(facts[[*KEY, "subject"]], on=KEY, how="left")
    return Findings(
        read=frames.read,
        asked=len(facts),
        known=int(facts["known"].sum()),
        known_share=finding_of(facts, "known", "facts that the model knows, share"),
        probability=spread_of(facts, "probability", "P(answer)"),
        neurons=spread_of(facts, "neurons", "knowledge neurons per fact"),
        without_neurons=int((facts["neurons"] == 0).sum()),
        effects=() if frames.changes.empty else tuple(effects_of(frames.changes, facts)),
        degeneracy=degeneracy_of(frames.degenerate, facts),
        acquisition=() if searched is None else tuple(acquisitions_of(acquisition, searched)),
        losses=() if searched is None else tuple(losses_of(acquisition, facts)),
        carried=carried_of(frames.carried, facts),
        layer_errors=tuple(_layer_error(layer, values) for layer, values in frames.errors.items()),
        joint=bool(facts["method"].isin(JOINT_METHODS).all()),
    )


def _layer_error(layer: int, values: Numbers) -> LayerError:
    low, median, high, largest = (float(value) for value in np.quantile(values, [0.05, 0.5, 0.95, 1]))
    return LayerError(layer, median, low, high, largest, len(values))


def findings_frame(findings: Iterable[Finding]) -> pd.DataFrame:
    """One row per number: its name, a column for every condition, and value, low, high, facts, subjects.

    control and difference stand beside it with their intervals, p_value where there is one; what a number has not is
    empty.
    """
    listed = list(findings)
    under = dict.fromkeys(name for finding in listed for name in finding.under)
    return pd.DataFrame([_row(finding, list(under)) for finding in listed])


def _row(finding: Finding, under: Sequence[str]) -> dict[str, object]:
    return {
        "finding": finding.name,
        **{name: finding.under.get(name) for name in under},
        **_ends("value", finding.interval),
        "facts": finding.interval.n,
        "subjects": finding.interval.clusters,
        **_ends("control", finding.control),
        **_ends("difference", finding.difference),
        "p_value": finding.p_value,
    }


def _ends(name: str, interval: Interval | None) -> dict[str, float | None]:
    low, high = ("low", "high") if name == "value" else (f"{name}_low", f"{name}_high")
    if interval is None:
        return {name: None, low: None, high: None}
    return {name: interval.estimate, low: interval.low, high: interval.high}
