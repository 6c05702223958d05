"""What the search for degenerate knowledge neurons returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from factneurons.facts.saved import Saved
from factneurons.facts.types import Fact
from factneurons.models.types import Neuron, Query

Grouping = Literal["distinct", "arbitrary", "undecided", "no-groups"]
StorageVerdict = Literal[
    "degenerate", "redundant", "interchangeable", "undecided", "conjunctive", "shared", "single", "none"
]
Carrying = Literal["others", "nothing-else", "undecided"]


@dataclass(frozen=True, slots=True)
class Bar:
    """One cluster of the single-linkage tree: born when it formed, dead when it merged."""

    birth: float
    death: float
    neurons: tuple[Neuron, ...]
    chosen: bool

    @property
    def persistence(self) -> float:
        """How long the cluster lives: death - birth, in units of distance."""
        return self.death - self.birth


@dataclass(frozen=True, slots=True)
class Connection:
    """What one neuron hands to a later one through the weights: `weight` is |w|, the reciprocal of their distance."""

    neurons: tuple[Neuron, Neuron]
    weight: float


@dataclass(frozen=True, slots=True)
class Component:
    """A base degenerate component: neurons of one fact that stand together.

    Attributes:
        neurons: its neurons, sorted.
        birth: the distance at which the cluster formed.
        death: the distance at which it merged into a larger one.
        drop_alone: relative loss of P(answer) when only this component is suppressed.
        drop_without_others: relative loss when every other component is suppressed and this one is left.
            In `DegenerateNeurons.components` the others are the other components, in `candidates` the
            other candidates.
        mean_distance: the mean finite distance between its neurons; NaN where there is none.
    """

    neurons: tuple[Neuron, ...]
    birth: float
    death: float
    drop_alone: float
    drop_without_others: float
    mean_distance: float

    @property
    def persistence(self) -> float:
        """How long the cluster lives: death - birth, in units of distance."""
        return self.death - self.birth

    @property
    def layers(self) -> tuple[int, ...]:
        """The layers its neurons are in, sorted, each once."""
        return tuple(sorted({neuron.layer for neuron in self.neurons}))


@dataclass(frozen=True, slots=True)
class DegenerateNeurons(Saved):
    """The components of one fact that pass the functional tests, and everything that was looked at.

    `save(path)` keeps them in a JSON file, `load(path)` reads it.

    Attributes:
        fact: the fact.
        components: the components that pass F1 to F3 (empty, or two and more).
        candidates: all clusters that were tested.
        barcode: every cluster of the tree, chosen by the clusterer or not.
        reason: why there is no degenerate knowledge neuron, or why that is undecided ("" where there is one); a key of
            `REASONS`.
        drop_all: relative loss of P(answer) when all components are suppressed; NaN without components.
        degeneracy_index: 1 - mean loss with one component left / loss with none; 1: any one suffices;
            NaN without components.
        coverage: share of the fact's knowledge neurons that the components hold.
        storage: the verdict: how the fact is stored, a key of `STORAGE`. It rests on `grouping`, and on what else the
            neurons carry.
        grouping: "distinct": the components pass the halving test (`halving`); "arbitrary": not, other groupings would
            do as well; "undecided": they cannot be tested; "no-groups": no components.
        knowledge_neurons: how many the search started from.
        details: further graded numbers, by a name documented in `DETAILS`.
        connections: the strongest that join the fact's neurons, those at which the clusters of the barcode form: a
            spanning tree, or one for each part of them that nothing connects with the rest.
    """

    fact: Fact
    components: tuple[Component, ...]
    candidates: tuple[Component, ...]
    barcode: tuple[Bar, ...]
    reason: str
    drop_all: float
    degeneracy_index: float
    coverage: float
    storage: StorageVerdict
    grouping: Grouping
    knowledge_neurons: int
    details: dict[str, float] = field(default_factory=dict)
    connections: tuple[Connection, ...] = ()

    @property
    def neurons(self) -> tuple[Neuron, ...]:
        """The neurons of all components, sorted."""
        return union_of([component.neurons for component in self.components])


@dataclass(frozen=True, slots=True)
class Carried:
    """What one component does for other facts.

    Attributes:
        neurons: the component.
        affected: the other facts that change when it is suppressed.
        other_facts: their share of the other facts.
        random_other_facts: mean share that the random sets affect; NaN without random sets.
        p_value: (1 + random sets that affect as many) / (1 + random sets); NaN without.
        shared: share of the other facts whose knowledge neurons hold at least half of it.
        overlap: largest Jaccard index with what another component affects; 1 if neither affects anything.
        redundancy: largest redundancy with another component.
    """

    neurons: tuple[Neuron, ...]
    affected: tuple[Fact, ...]
    other_facts: float
    random_other_facts: float
    p_value: float
    shared: float
    overlap: float
    redundancy: float


@dataclass(frozen=True, slots=True)
class CarriedFacts:
    """What the components of one fact carry beside it.

    Attributes:
        fact: the fact.
        others: how many other facts were asked.
        components: one each, in the order of the fact's components.
        carries: "others": each carries other facts, more than random neurons do, and any two carry different ones;
            "nothing-else": none carries any; "undecided": anything else, or nothing to compare with.
    """

    fact: Fact
    others: int
    components: tuple[Carried, ...]
    carries: Carrying


@dataclass(frozen=True, slots=True)
class AcquisitionPoint:
    """The loss with k groups suppressed.

    Attributes:
        suppressed: k.
        subsets: how many subsets of k groups were measured: all of them while 2^n <= 64, else up to 32 drawn, but
            always all of one group, of all but one, and of all (random: in each of the partitions).
        mean_drop: mean relative loss of P(answer) over them.
    """

    suppressed: int
    subsets: int
    mean_drop: float


@dataclass(frozen=True, slots=True)
class AcquisitionCurve:
    """Losses of one fact by the number of suppressed groups.

    Attributes:
        which: "components" (passed the functional tests), "candidates" (before them), or the random
            partitions of the same sizes beside either.
        size: neurons in all groups together.
        points: for k = 1 .. n.
    """

    which: str
    size: int
    points: tuple[AcquisitionPoint, ...]

    @property
    def groups(self) -> int:
        """n, how many groups there are."""
        return len(self.points)

    @property
    def drop_all(self) -> float:
        """The loss with all groups suppressed."""
        return self.points[-1].mean_drop


@dataclass(frozen=True, slots=True)
class FactCurves:
    """The curves of one fact, and the clusterer that made its groups."""

    fact: Fact
    clusterer: str
    curves: tuple[AcquisitionCurve, ...]


@dataclass(frozen=True, slots=True)
class DegeneratePair:
    """Two neurons that can each be spared, but not both.

    Attributes:
        neurons: the pair, the neuron with the higher score first.
        drops_alone: losses of P(answer) with the first, and with the second, suppressed; mean over the prompts
            that found the pair, relative or absolute as in the settings.
        drop_together: the loss with both suppressed, likewise.
        share: share of the fact's prompts that found it.
    """

    neurons: tuple[Neuron, Neuron]
    drops_alone: tuple[float, float]
    drop_together: float
    share: float


@dataclass(frozen=True, slots=True)
class PromptPairs:
    """What one prompt has: P(answer) untouched, the neurons that can be spared alone, and the pairs."""

    query: Query
    probability: float
    potentials: tuple[Neuron, ...]
    pairs: tuple[tuple[Neuron, Neuron], ...]


@dataclass(frozen=True, slots=True)
class DegeneratePairs(Saved):
    """The degenerate pairs of one fact.

    Attributes:
        fact: the fact.
        pairs: those that enough prompts agree on, by falling share and loss.
        prompts: what every prompt has by itself.
        probability: P(answer) untouched, mean over the prompts; NaN if the model was not asked.
        considered: how many knowledge neurons were looked at.
        left_out: how many more the fact has, beyond the cap.
        reason: why there is no pair ("" where there is one); a key of `PAIR_REASONS`.
    """

    fact: Fact
    pairs: tuple[DegeneratePair, ...]
    prompts: tuple[PromptPairs, ...]
    probability: float
    considered: int
    left_out: int
    reason: str

    @property
    def neurons(self) -> tuple[Neuron, ...]:
        """The neurons of all pairs, sorted, each once."""
        return tuple(sorted({neuron for pair in self.pairs for neuron in pair.neurons}))


STORAGE: dict[str, str] = {
    "degenerate": "components that suffice each, and carry other facts too",
    "redundant": "components that suffice each, of which one or more carry nothing else",
    "interchangeable": "neurons that stand in for each other in any grouping",
    "undecided": "groups that suffice each, of which it cannot be told whether another grouping would do as well",
    "conjunctive": "groups that are all needed, as each works only through the others",
    "shared": "one group, which carries other facts too",
    "single": "one group, which carries nothing else",
    "none": "not in these neurons: suppressing all of them loses too little",
}
"""How a fact is stored in its neurons: verdict -> meaning. Other facts are those that were located beside it."""

REASONS: dict[str, str] = {
    "too-few-neurons": "fewer knowledge neurons than two components of the smallest size need",
    "no-finite-distance": "no two knowledge neurons are connected",
    "one-cluster": "clustering found one cluster, or none",
    "below-tau1": "fewer than two clusters live long enough",
    "zero-probability": "the model gives the answer no probability, so nothing can be lost",
    "fewer-than-two-dispensable": "fewer than two clusters can be suppressed alone without loss (F1)",
    "not-sufficient": "fewer than two clusters carry the fact when the others are suppressed (F2)",
    "not-jointly-needed": "suppressing all components together loses too little (F3)",
    "no-halves": "undecided: fewer than two components have two neurons or more, so that they could be halved",
    "one-prompt": "undecided: no prompt with a probability is left to test the components with",
}
"""Why a fact has no degenerate knowledge neuron, or it is undecided: code -> meaning, in the order of the search."""

PAIR_REASONS: dict[str, str] = {
    "too-few-neurons": "fewer than two knowledge neurons",
    "zero-probability": "the model gives the answer no probability, so nothing can be lost",
    "fewer-than-two-potentials": "for no prompt there are two neurons that can each be spared",
    "no-pair-is-needed": "no two neurons that can each be spared are missed together",
    "prompts-disagree": "prompts have pairs, but too few prompts have the same ones",
}
"""Why a fact has no degenerate pair: code -> meaning, in the order they are looked at."""

DETAILS: dict[str, str] = {
    "probability": "P(answer) with nothing suppressed, mean over the prompts that the groups were found with",
    "drop_knowledge_neurons": "relative loss when all of the fact's knowledge neurons are suppressed",
    "drop_candidates": "relative loss when all candidates are suppressed",
    "degeneracy_index_candidates": "degeneracy index of all candidates taken together",
    "coverage_candidates": "share of the fact's knowledge neurons that the candidates hold",
    "halving": "T of the halving test, mean over the held-out prompts; distinct components are near 1, others below 0",
    "halving_least": "the smallest T of a held-out prompt",
    "halving_splits": "splits of the components into halves that were measured: all, or 20 drawn ones",
    "halving_prompts": "prompts that the components were tested with, and not found",
    "carry_others": "share of the components that carry other facts too",
    "share_of_each": "mean loss without one group, as a share of the loss without all neurons, in log-odds",
}
"""The graded numbers in `DegenerateNeurons.details`: name -> meaning. A missing name was not measured."""


def union_of(sets: Sequence[Sequence[Neuron]]) -> tuple[Neuron, ...]:
    """All neurons of several sets, sorted, each once."""
    return tuple(sorted({neuron for neurons in sets for neuron in neurons}))
