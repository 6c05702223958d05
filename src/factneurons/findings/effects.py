"""What an intervention did, over facts: relative changes of P(answer) with bootstrap intervals.

Per fact r = (P after - P before) / P before, averaged over its prompts (unrelated: over the other facts) and, for
random neurons, over the draws. Over facts the mean, with an interval that resamples subjects.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from factneurons.statistics import Interval, bootstrap_interval

_KEY = ["fact_id", "language"]


@dataclass(frozen=True, slots=True)
class Effect:
    """One action on one kind of neurons, measured on one kind of prompts.

    Attributes:
        neurons: "knowledge" or "degenerate".
        action: "suppress" or "enhance".
        prompts: "related" or "unrelated".
        found: mean relative change of P(answer) by the found neurons.
        random: the same by matched random neurons.
        left_out: facts whose P(answer) is 0 to begin with, so that there is no relative change.
    """

    neurons: str
    action: str
    prompts: str
    found: Interval
    random: Interval
    left_out: int


def relative_changes(interventions: pd.DataFrame, facts: pd.DataFrame) -> pd.DataFrame:
    """One row per fact, neurons, action and prompts: `change`, the mean relative change, and the fact's subject.

    Args:
        interventions: the table of that name of a run.
        facts: its table `facts`.
    """
    table = interventions[interventions["probability_before"] > 0]
    change = table["probability_after"] / table["probability_before"] - 1.0
    keys = [*_KEY, "neurons", "action", "prompts"]
    mean = change.groupby([table[key] for key in keys]).mean().rename("change").reset_index()
    return mean.merge(facts[[*_KEY, "subject", "relation", "known"]], on=_KEY, how="left")


def effects_of(interventions: pd.DataFrame, facts: pd.DataFrame, neurons: str) -> list[Effect]:
    """The effects of changing "knowledge" or "degenerate" neurons, one for each action and kind of prompts."""
    changes = relative_changes(interventions, facts)
    effects = []
    for action in ("suppress", "enhance"):
        for prompts in ("related", "unrelated"):
            found = _rows(changes, neurons, action, prompts)
            random = _rows(changes, f"random for {neurons}", action, prompts)
            if len(found) and len(random):
                asked = _rows(interventions, neurons, action, prompts)[_KEY].drop_duplicates()
                left_out = len(asked) - len(found)
                effects.append(Effect(neurons, action, prompts, _interval(found), _interval(random), left_out))
    return effects


def _rows(table: pd.DataFrame, neurons: str, action: str, prompts: str) -> pd.DataFrame:
    return table[(table["neurons"] == neurons) & (table["action"] == action) & (table["prompts"] == prompts)]


def _interval(rows: pd.DataFrame) -> Interval:
    return bootstrap_interval(rows["change"].to_numpy(dtype=float), clusters=list(rows["subject"]))
