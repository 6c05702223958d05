"""Are the neurons that a fact's languages share the fact's own, or neurons that many facts have in any language?

Random sets of the same layers know nothing of neurons that serve many facts. Re-pairing does: every language but the
first deals its sets of neurons out anew over the facts, each language by itself, within the relation or over all
facts, and the same rule is applied to what comes together. Every fact keeps as many neurons, and every neuron as many
facts, in each language; only whose they are is lost. Random permutations, in which a fact may meet itself again, as a
permutation test needs:

    p = (1 + permutations that share as much or more in all) / (1 + permutations)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from factneurons.draws import random_numbers
from factneurons.statistics import Finding, Numbers, bootstrap_interval

Among = Literal["relation", "all"]
AMONG: dict[Among, str] = {
    "relation": "re-paired within relations",
    "all": "re-paired over all facts",
}
"""Whose neurons take the place of a fact's own."""

DRAWS = 2000

_Whole = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Repaired:
    """What facts share beside what re-paired ones do.

    Attributes:
        among: "relation" or "all".
        size: neurons per fact by the rule, mean; its control is the mean over re-paired facts, its p-value that of
            the permutations.
        alone: facts that cannot be re-paired, as no other fact is there to pair with; they are left out.
    """

    among: Among
    size: Finding
    alone: int


def repaired(languages: pd.DataFrame, neurons: pd.DataFrame, subjects: Sequence[str], among: Among) -> Repaired | None:
    """Pair every fact's neurons in one language with another fact's in the others.

    Args:
        languages: the table `languages` of a run, all of one rule about sets.
        neurons: its table `language_neurons`.
        subjects: the subject of each row of `languages`; intervals resample them.
        among: "relation": with facts of the same relation; "all": with any.

    Returns:
        None where no fact can be re-paired.
    """
    groups = (
        np.unique(languages["relation"], return_inverse=True)[1] if among == "relation" else np.zeros(len(languages))
    )
    paired = np.bincount(groups.astype(np.int64))[groups.astype(np.int64)] > 1
    if not paired.any():
        return None
    needed = int(languages["needed"].iloc[0])
    sets = _Sets.of(languages.loc[paired, "fact_id"].tolist(), neurons, needed)
    observed, expected, p_value = _test(sets, groups[paired], fewer=needed == 1, seed=f"re-pairing/{among}")
    clusters = [subject for subject, kept in zip(subjects, paired, strict=True) if kept]
    own, control, difference = (
        bootstrap_interval(values, clusters=clusters) for values in (observed, expected, observed - expected)
    )
    name = f"language-independent neurons per fact, {AMONG[among]}"
    return Repaired(among, Finding(name, own, {}, control, difference, p_value), int((~paired).sum()))


@dataclass(frozen=True, slots=True)
class _Sets:
    """Who has which neuron in which language: one entry each.

    Attributes:
        facts, neurons: of every entry, per language; both numbered from 0.
        count: how many facts there are.
        width: how many different neurons.
        needed: in how many languages a neuron must be.
    """

    facts: tuple[_Whole, ...]
    neurons: tuple[_Whole, ...]
    count: int
    width: int
    needed: int

    @classmethod
    def of(cls, fact_ids: Sequence[str], neurons: pd.DataFrame, needed: int) -> _Sets:
        """Of these facts; neurons that no pairing can bring into enough languages are left out."""
        entries = neurons[["fact_id", "layer", "index", "languages"]].explode("languages").dropna()
        entries = entries.assign(
            fact=pd.Index(fact_ids).get_indexer(pd.Index(entries["fact_id"])),
            neuron=entries.groupby(["layer", "index"]).ngroup(),
        )
        entries = entries[entries["fact"] >= 0]
        spoken = entries.groupby("neuron")["languages"].transform("nunique")
        by_language = [own for _, own in entries[spoken >= needed].groupby("languages")]
        return cls(
            tuple(own["fact"].to_numpy(np.int64) for own in by_language),
            tuple(own["neuron"].to_numpy(np.int64) for own in by_language),
            len(fact_ids),
            1 + int(entries["neuron"].max()) if len(entries) else 1,
            needed,
        )

    def shared(self, moved: Sequence[_Whole]) -> Numbers:
        """How many neurons are in enough languages, [facts], where language k's neurons of fact f go to moved[k][f]."""
        keys = [
            to[facts] * self.width + neurons for to, facts, neurons in zip(moved, self.facts, self.neurons, strict=True)
        ]
        found, held = np.unique(np.concatenate([np.empty(0, dtype=np.int64), *keys]), return_counts=True)
        places = found[held >= self.needed] // self.width
        return np.bincount(places, minlength=self.count).astype(np.float64)


def _test(sets: _Sets, groups: npt.NDArray[np.generic], *, fewer: bool, seed: str) -> tuple[Numbers, Numbers, float]:
    """Observed and expected neurons, [facts] each, and the p-value; `fewer`: sharing more means fewer (the union)."""
    generator = random_numbers(seed)
    same = np.arange(sets.count)
    observed = sets.shared([same] * len(sets.facts))
    total, hits = np.zeros(sets.count), 0
    by_group = np.argsort(groups, kind="stable")
    for _ in range(DRAWS):
        moved = [same]
        for _ in sets.facts[1:]:
            to = np.empty(sets.count, dtype=np.int64)
            to[by_group] = np.lexsort((generator.random(sets.count), groups))
            moved.append(to)
        found = sets.shared(moved[: len(sets.facts)])
        total += found
        hits += int(found.sum() <= observed.sum() if fewer else found.sum() >= observed.sum())
    return observed, total / DRAWS, (1 + hits) / (1 + DRAWS)
