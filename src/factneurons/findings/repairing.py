"""Are the neurons that a fact's languages share the fact's own, or neurons that many facts have in any language?

Random sets of the same layers know nothing of neurons that serve many facts. Re-pairing does: every language but the
first deals its sets of neurons out anew over the facts, each language by itself, within the relation or over all
facts, and the same rule is applied to what comes together. Every neuron keeps as many facts in each language; only
whose they are is lost. Two facts of one subject are not two pieces of evidence: a subject's facts move together, to the
places of a subject with as many. Random permutations, in which a subject may meet itself again, as a permutation test
needs:

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
        alone: facts that cannot be re-paired, as no other subject has as many facts (among "relation": of the
            relation); they are left out.
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
    units = _units(languages, subjects, among)
    paired = units.groupby("stratum")["unit"].transform("nunique").to_numpy() > 1
    if not paired.any():
        return None
    needed = int(languages["needed"].iloc[0])
    sets = _Sets.of(languages.loc[paired, "fact_id"].tolist(), neurons, needed)
    observed, expected, p_value = _test(sets, _Blocks.of(units[paired]), fewer=needed == 1, seed=f"re-pairing/{among}")
    clusters = [subject for subject, kept in zip(subjects, paired, strict=True) if kept]
    own, control, difference = (
        bootstrap_interval(values, clusters=clusters) for values in (observed, expected, observed - expected)
    )
    name = f"language-independent neurons per fact, {AMONG[among]}"
    return Repaired(among, Finding(name, own, {}, control, difference, p_value), int((~paired).sum()))


def _units(languages: pd.DataFrame, subjects: Sequence[str], among: Among) -> pd.DataFrame:
    """Of every fact: the unit it moves with, and the stratum of units that it moves among, both as numbers."""
    relation = languages["relation"].to_numpy() if among == "relation" else ""
    facts = pd.DataFrame({"subject": list(subjects), "relation": relation})
    facts["size"] = facts.groupby(["relation", "subject"])["subject"].transform("size")
    return pd.DataFrame(
        {
            "unit": facts.groupby(["relation", "subject"]).ngroup(),
            "stratum": facts.groupby(["relation", "size"]).ngroup(),
        }
    )


@dataclass(frozen=True, slots=True)
class _Blocks:
    """Facts that move together.

    Attributes:
        members: [units, most facts of one], numbers of facts; what is beyond a unit's size means nothing.
        valid: [units, most facts of one], what is not beyond it.
        strata: [units]; all units of one have as many facts.
    """

    members: _Whole
    valid: npt.NDArray[np.bool_]
    strata: _Whole

    @classmethod
    def of(cls, units: pd.DataFrame) -> _Blocks:
        """From the unit and the stratum of every fact."""
        unit = np.unique(units["unit"], return_inverse=True)[1]
        order = np.argsort(unit, kind="stable")
        sizes = np.bincount(unit)
        valid = np.arange(sizes.max()) < sizes[:, None]
        members = np.zeros(valid.shape, dtype=np.int64)
        members[valid] = order
        return cls(members, valid, units["stratum"].to_numpy(np.int64)[members[:, 0]])

    def shuffled(self, generator: np.random.Generator) -> _Whole:
        """Where every fact's neurons go, [facts]: units change places within their strata."""
        to = np.empty(int(self.valid.sum()), dtype=np.int64)
        place = np.empty(len(self.strata), dtype=np.int64)
        place[np.argsort(self.strata, kind="stable")] = np.lexsort((generator.random(len(place)), self.strata))
        to[self.members[self.valid]] = self.members[place][self.valid]
        return to


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


def _test(sets: _Sets, blocks: _Blocks, *, fewer: bool, seed: str) -> tuple[Numbers, Numbers, float]:
    """Observed and expected neurons, [facts] each, and the p-value; `fewer`: sharing more means fewer (the union)."""
    generator = random_numbers(seed)
    same = np.arange(sets.count)
    observed = sets.shared([same] * len(sets.facts))
    total, hits = np.zeros(sets.count), 0
    for _ in range(DRAWS):
        moved = [same, *(blocks.shuffled(generator) for _ in sets.facts[1:])]
        found = sets.shared(moved[: len(sets.facts)])
        total += found
        hits += int(found.sum() <= observed.sum() if fewer else found.sum() >= observed.sum())
    return observed, total / DRAWS, (1 + hits) / (1 + DRAWS)
