"""What the components of a fact do to other facts: evidence beside the verdict of `judge`.

In: the components of one fact, other facts, random sets matched to the components in size, layers and strength. Out:
what each component carries, and whether that is other facts or nothing else ('Cracking Factual Knowledge', ACL 2025:
degenerate components have functions of their own, a redundant copy has none).

    affected(B)         the other facts whose log P(answer) changes by more than `changed` when B is suppressed
    other_facts(B)      |affected(B)| / other facts, against the same of random sets
    shared(B)           share of the other facts whose knowledge neurons hold at least half of B
    redundancy(B, C)    cosine of the summed out-weights x Jaccard index of affected(B) and affected(C)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from factneurons.attribution.controls import matched_random, strengths
from factneurons.attribution.drops import suppressed_table
from factneurons.attribution.types import KnowledgeNeurons
from factneurons.degeneracy.settings import CarriedSettings
from factneurons.degeneracy.types import Carried, CarriedFacts, Carrying, DegenerateNeurons
from factneurons.draws import bounded_sample
from factneurons.errors import BadSetting, NotAskable
from factneurons.facts.related import FactPool
from factneurons.facts.types import Fact
from factneurons.models.model import Model
from factneurons.models.questions import Asking
from factneurons.models.types import FloatArray, Neuron, Query
from factneurons.settings import with_options
from factneurons.statistics import SIGNIFICANCE

_LEAST = 1e-300
"""Probabilities below have no logarithm; a fact that starts and stays below does not change."""


@dataclass(frozen=True, slots=True)
class OtherFact:
    """Another fact, one query of it, and its knowledge neurons."""

    fact: Fact
    query: Query
    neurons: frozenset[Neuron]


class KnowledgePool:
    """Facts with their knowledge neurons, to look for the traces of other facts' components in: a bounded sample.

    Args:
        known: the knowledge neurons of facts, in any order.
        ask: a query for a fact, or None if it cannot be asked; called only for facts that are drawn. None: the first
            query of its knowledge neurons.
        most: how many facts are kept per language.
    """

    def __init__(
        self, known: Iterable[KnowledgeNeurons], ask: Callable[[Fact], Query | None] | None = None, most: int = 500
    ) -> None:
        self.kept = bounded_sample(
            known, name=lambda each: each.fact.key, group=lambda each: each.fact.language, most=most
        )
        self._known = {each.fact.key: each for each in self.kept}
        self._pool = FactPool((each.fact for each in self.kept), ask or self._first_query)

    def sample(self, fact: Fact, count: int, seed: int) -> list[OtherFact]:
        """`count` other facts of the same language (fewer if there are fewer); the fact's own reverse is not one."""
        return [
            OtherFact(other, query, frozenset(self._known[other.key].neurons))
            for other, query in self._pool.others(fact, count, seed)
        ]

    def _first_query(self, fact: Fact) -> Query | None:
        return next(iter(self._known[fact.key].queries), None)


def carried_facts(
    model: Model,
    known: KnowledgeNeurons,
    found: DegenerateNeurons,
    others: KnowledgePool | Iterable[KnowledgeNeurons],
    settings: CarriedSettings | None = None,
    **options: object,
) -> CarriedFacts:
    """What the components of one fact carry beside it: other facts, or nothing else.

    Args:
        model: the model in which they were found.
        known: the fact's knowledge neurons, with its queries.
        found: its degenerate knowledge neurons, with at least two components.
        others: where other facts are drawn from.
        settings: how many facts and random sets, and the thresholds, in one record, or
        **options: its fields by name.

    Raises:
        BadSetting: an option that there is not, an impossible value, or fewer than two components.
        BadNumber: a probability that is NaN.
    """
    settings = with_options(CarriedSettings, settings, options)
    return model.answer([carried_search(model, known, found, others, settings)])[0]


def carried_search(
    model: Model,
    known: KnowledgeNeurons,
    found: DegenerateNeurons,
    others: KnowledgePool | Iterable[KnowledgeNeurons],
    settings: CarriedSettings,
) -> Asking[CarriedFacts]:
    """The same as a search, to be advanced beside others."""
    pool = others if isinstance(others, KnowledgePool) else KnowledgePool(others)
    drawn = pool.sample(found.fact, settings.others, settings.seed)
    random_sets = _random_sets(model, known, found, settings)
    return (yield from carried_of(model, found, drawn, random_sets, settings))


def _random_sets(
    model: Model, known: KnowledgeNeurons, found: DegenerateNeurons, settings: CarriedSettings
) -> list[Sequence[tuple[Neuron, ...]]]:
    """Per component; none for one that fills more than half of a layer, which then stays undecided."""
    strength = strengths(model, known.queries)
    sets: list[Sequence[tuple[Neuron, ...]]] = []
    for number, component in enumerate(found.components):
        name = f"{found.fact.key}/component {number}"
        try:
            sets.append(
                matched_random(strength, component.neurons, draws=settings.draws, seed=settings.seed, name=name)
            )
        except NotAskable:
            sets.append(())
    return sets


def carried_of(
    model: Model,
    found: DegenerateNeurons,
    others: Sequence[OtherFact],
    random_sets: Sequence[Sequence[Collection[Neuron]]],
    settings: CarriedSettings | None = None,
) -> Asking[CarriedFacts]:
    """The same against facts and random sets that are given.

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
    settings = settings or CarriedSettings()
    components = [each.neurons for each in found.components]
    if len(components) < 2 or len(random_sets) != len(components):
        raise BadSetting(
            f"fact {found.fact.id!r}: {len(components)} components and {len(random_sets)} lists of random sets; "
            "two components are needed, and one list for each"
        )
    flat = [neurons for sets in random_sets for neurons in sets]
    changes = (yield from _changes(others, [*components, *flat])) > settings.changed
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


def _changes(others: Sequence[OtherFact], sets: Sequence[Collection[Neuron]]) -> Asking[FloatArray]:
    """|log P after - log P before| in nats, [sets, others]."""
    if not others:
        return np.zeros((len(sets), 0))
    table = yield from suppressed_table([(other.fact, other.query) for other in others], [(), *sets])
    logs = np.log(np.maximum(table, _LEAST)).T
    changes: FloatArray = np.abs(logs[1:] - logs[0])
    return changes


def _share(affected: npt.NDArray[np.bool_]) -> float:
    return float(affected.mean()) if len(affected) else math.nan


def _shared(neurons: Sequence[Neuron], others: Sequence[OtherFact]) -> float:
    holding = [2 * len(other.neurons.intersection(neurons)) >= len(neurons) for other in others]
    return sum(holding) / len(holding) if holding else math.nan


def _cosines(model: Model, components: Sequence[Sequence[Neuron]]) -> FloatArray:
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


def _carries(carried: Sequence[Carried], others: int, settings: CarriedSettings) -> Carrying:
    if not others or any(math.isnan(each.p_value) for each in carried):
        return "undecided"
    above = [each.p_value <= SIGNIFICANCE for each in carried]
    if all(above) and all(each.overlap <= settings.overlap for each in carried):
        return "others"
    if not any(above) and all(each.other_facts <= settings.nothing for each in carried):
        return "nothing-else"
    return "undecided"
