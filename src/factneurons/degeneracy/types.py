"""What the search for degenerate knowledge neurons returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from factneurons.facts.types import Fact
from factneurons.models.types import Neuron

Verdict = Literal["components", "interchangeable", "none"]


@dataclass(frozen=True, slots=True)
class Bar:
    """One cluster of the single-linkage tree: born when it formed, dead when it merged."""

    birth: float
    death: float
    neurons: tuple[Neuron, ...]
    chosen: bool


@dataclass(frozen=True, slots=True)
class Component:
    """A base degenerate component: neurons of one fact that stand together.

    Attributes:
        neurons: its neurons, sorted.
        birth: the distance at which the cluster formed.
        death: the distance at which it merged into a larger one.
        drop_alone: relative loss of P(answer) when only this component is suppressed.
        drop_without_others: relative loss when every other component is suppressed and this one is left.
        mean_distance: the mean finite distance between its neurons.
    """

    neurons: tuple[Neuron, ...]
    birth: float
    death: float
    drop_alone: float
    drop_without_others: float
    mean_distance: float


@dataclass(frozen=True, slots=True)
class DegenerateNeurons:
    """The components of one fact that pass the functional tests, and everything that was looked at.

    Attributes:
        fact: the fact.
        components: the components that pass F1 to F3 (empty, or two and more).
        candidates: all clusters that were tested.
        barcode: every cluster of the tree.
        reason: why there is no degenerate knowledge neuron ("" where there is one).
        drop_all: relative loss of P(answer) when all components are suppressed.
        degeneracy_index: 1 - mean loss with one component left / loss with none; 1: any one suffices.
        p_value: share of random partitions of the same sizes that do at least as well.
        coverage: share of the fact's knowledge neurons that the components hold.
        verdict: "components" beats its random partitions, "interchangeable" does not, "none" has no DKN.
        details: further graded numbers, by documented name.
    """

    fact: Fact
    components: tuple[Component, ...]
    candidates: tuple[Component, ...]
    barcode: tuple[Bar, ...]
    reason: str
    drop_all: float
    degeneracy_index: float
    p_value: float
    coverage: float
    verdict: Verdict
    details: dict[str, float] = field(default_factory=dict)
