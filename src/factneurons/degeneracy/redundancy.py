"""Degenerate or merely redundant: do the components of a fact also carry other facts, and different ones?

In: the components of one fact, other facts, random sets matched to the components. Out: what each component carries,
and whether that is other facts or nothing else ('Cracking Factual Knowledge', ACL 2025: degenerate components have
functions of their own, a redundant copy has none). Evidence beside the verdict of `judge`.

    affected(B)         the other facts whose log P(answer) changes by more than `changed` when B is suppressed
    other_facts(B)      |affected(B)| / other facts, against the same of random sets
    shared(B)           share of the other facts whose knowledge neurons hold at least half of B
    redundancy(B, C)    cosine of the summed out-weights x Jaccard index of affected(B) and affected(C)
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Protocol

import numpy as np
import numpy.typing as npt

from factneurons.degeneracy.functional import SETS_PER_CALL
from factneurons.degeneracy.settings import SIGNIFICANCE
from factneurons.degeneracy.types import Carried, CarriedFacts, Carrying, DegenerateNeurons
from factneurons.errors import BadNumber, BadSetting
from factneurons.facts.types import Fact
from factneurons.models.types import Neuron, Query

FloatArray = npt.NDArray[np.float64]

_LEAST = 1e-300
"""Probabilities below have no logarithm; a fact that starts and stays below does not change."""


class AskedModel(Protocol):
    """What of a model is used here."""

    def probabilities_with(
        self, queries: Sequence[Query], neuron_sets: Sequence[Collection[Neuron]]
    ) -> npt.NDArray[np.float64]:
        """[queries, sets], P(answer) with each set suppressed."""

    def out_weights(self, neurons: Sequence[Neuron]) -> npt.NDArray[np.float64]:
        """[n, d], what one unit of each neuron writes."""


@dataclass(frozen=True, slots=True)
class RedundancySettings:
    """How components are looked at.

    Attributes:
        others: how many other facts are sampled per fact.
        draws: random sets per component, matched in size, layers and strength; at least 19.
        changed: a fact is affected if its log P(answer) changes by more than so many nats.
        nothing: components that affect at most this share of the other facts carry none.
        overlap: components carry different facts if the Jaccard index of what they affect is at most this.
        seed: of both samples.

    Raises:
        BadSetting: a value out of range.
    """

    others: int = 40
    draws: int = 99
    changed: float = 0.1
    nothing: float = 0.05
    overlap: float = 0.5
    seed: int = 42

    def __post_init__(self) -> None:
        for name, least in (("others", 1), ("draws", 19), ("seed", 0)):
            if getattr(self, name) < least:
                raise BadSetting(f"{name} = {getattr(self, name)!r}: it is at least {least}")
        for name, most in (("changed", math.inf), ("nothing", 1.0), ("overlap", 1.0)):
            if not 0 <= getattr(self, name) <= most:
                limit = "at least 0" if math.isinf(most) else f"from 0 to {most:g}"
                raise BadSetting(f"{name} = {getattr(self, name)!r}: it is {limit}")


@dataclass(frozen=True, slots=True)
class OtherFact:
    """Another fact, one query of it, and its knowledge neurons."""

    fact: Fact
    query: Query
    neurons: frozenset[Neuron]


def carried_facts(
    model: AskedModel,
    found: DegenerateNeurons,
    others: Sequence[OtherFact],
    random_sets: Sequence[Sequence[Collection[Neuron]]],
    settings: RedundancySettings | None = None,
) -> CarriedFacts:
    """What the components of one fact carry, and whether they are degenerate or redundant.

    Args:
        model: the model in which the components were found.
        found: a fact with at least two components.
        others: other facts, none of them the fact itself; without any `carries` is "undecided".
        random_sets: for every component the sets to compare it with; where there are none it is not compared.
        settings: thresholds; None: the defaults.

    Raises:
        BadSetting: fewer than two components, or not one list of random sets for each.
        BadNumber: a probability that is NaN; names the fact that was asked.
    """
    settings = settings or RedundancySettings()
    components = [each.neurons for each in found.components]
    if len(components) < 2 or len(random_sets) != len(components):
        raise BadSetting(
            f"fact {found.fact.id!r}: {len(components)} components and {len(random_sets)} lists of random sets; "
            "two components are needed, and one list for each"
        )
    flat = [neurons for sets in random_sets for neurons in sets]
    changes = _changes(model, others, [*components, *flat]) > settings.changed
    affected, random = changes[: len(components)], changes[len(components) :]
    stops = np.cumsum([len(sets) for sets in random_sets])[:-1]
    cosines = _cosines(model, components)
    jaccard = _jaccard(affected)
    carried = []
    for number, (neurons, drawn) in enumerate(zip(components, np.split(random, stops), strict=True)):
        rest = [place for place in range(len(components)) if place != number]
        share, shares = _share(affected[number]), np.array([_share(row) for row in drawn])
        carried.append(
            Carried(
                neurons=neurons,
                affected=tuple(other.fact for other, hit in zip(others, affected[number], strict=True) if hit),
                other_facts=share,
                random_other_facts=float(shares.mean()) if len(shares) else math.nan,
                p_value=float((1 + (shares >= share).sum()) / (1 + len(shares))) if len(shares) else math.nan,
                shared=_shared(neurons, others),
                overlap=float(jaccard[number, rest].max()),
                redundancy=float((cosines * jaccard)[number, rest].max()),
            )
        )
    return CarriedFacts(found.fact, len(others), tuple(carried), _carries(carried, len(others), settings))


def _changes(
    model: AskedModel, others: Sequence[OtherFact], sets: Sequence[Collection[Neuron]]
) -> npt.NDArray[np.float64]:
    """|log P after - log P before| in nats, [sets, others]."""
    if not others:
        return np.zeros((len(sets), 0))
    queries = [other.query for other in others]
    asked: list[Collection[Neuron]] = [(), *sets]
    starts = range(0, len(asked), SETS_PER_CALL)
    table = np.concatenate(
        [model.probabilities_with(queries, asked[start : start + SETS_PER_CALL]) for start in starts], axis=1
    )
    for other, row in zip(others, table, strict=True):
        if not np.isfinite(row).all():
            raise BadNumber(
                f"fact {other.fact.id!r}, prompt {other.query.prompt.text!r}: P(answer) is NaN with neurons of another "
                "fact suppressed; load the model in float32"
            )
    logs = np.log(np.maximum(table, _LEAST)).T
    changes: npt.NDArray[np.float64] = np.abs(logs[1:] - logs[0])
    return changes


def _share(affected: npt.NDArray[np.bool_]) -> float:
    return float(affected.mean()) if len(affected) else math.nan


def _shared(neurons: Sequence[Neuron], others: Sequence[OtherFact]) -> float:
    holding = [2 * len(other.neurons.intersection(neurons)) >= len(neurons) for other in others]
    return sum(holding) / len(holding) if holding else math.nan


def _cosines(model: AskedModel, components: Sequence[Sequence[Neuron]]) -> FloatArray:
    """Of the components' summed out-weights, [components, components]; 0 where a sum is 0."""
    sums = np.stack([model.out_weights(neurons).sum(axis=0) for neurons in components])
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    units = np.divide(sums, lengths, out=np.zeros_like(sums), where=lengths > 0)
    product: FloatArray = units @ units.T
    return product


def _jaccard(affected: npt.NDArray[np.bool_]) -> FloatArray:
    """Of the affected facts, [components, components]; of two empty sets 1: both carry the same, nothing."""
    count = len(affected)
    table = np.ones((count, count))
    for i, j in combinations(range(count), 2):
        either = int((affected[i] | affected[j]).sum())
        if either:
            table[i, j] = table[j, i] = int((affected[i] & affected[j]).sum()) / either
    return table


def _carries(carried: Sequence[Carried], others: int, settings: RedundancySettings) -> Carrying:
    if not others or any(math.isnan(each.p_value) for each in carried):
        return "undecided"
    above = [each.p_value <= SIGNIFICANCE for each in carried]
    if all(above) and all(each.overlap <= settings.overlap for each in carried):
        return "others"
    if not any(above) and all(each.other_facts <= settings.nothing for each in carried):
        return "nothing-else"
    return "undecided"
