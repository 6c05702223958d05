"""Do a fact's components carry other facts: the sample of other facts and the matched random neurons.

The measurement itself is `degeneracy.redundancy`; here it is given something to compare with. Random sets are
matched in size, layers and strength on the fact's own prompts, as in every other control.
"""

from __future__ import annotations

import hashlib
from bisect import insort
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from operator import itemgetter

from factneurons.attribution.controls import matched_random, strengths
from factneurons.attribution.types import KnowledgeNeurons
from factneurons.degeneracy.redundancy import OtherFact, carried_facts
from factneurons.degeneracy.settings import RedundancySettings
from factneurons.degeneracy.types import CarriedFacts, DegenerateNeurons
from factneurons.errors import NotAskable
from factneurons.facts.types import Fact
from factneurons.models.model import Model
from factneurons.models.types import Neuron, Query
from factneurons.settings import with_options

_Kept = tuple[str, Fact, frozenset[Neuron]]


class OtherFacts:
    """Facts to look for the traces of other facts' components in: a bounded sample, whatever the order they come in.

    Args:
        facts: facts with their knowledge neurons.
        ask: a query for a fact, or None if it cannot be asked; called only for facts that are drawn.
        most: how many are kept per language, those whose hash is smallest.
    """

    def __init__(
        self,
        facts: Iterable[tuple[Fact, Collection[Neuron]]],
        ask: Callable[[Fact], Query | None],
        most: int = 500,
    ) -> None:
        self._ask = ask
        self._queries: dict[str, Query | None] = {}
        self._kept: dict[str, list[_Kept]] = {}
        for fact, neurons in facts:
            kept = self._kept.setdefault(fact.language, [])
            insort(kept, (_hash(fact.key), fact, frozenset(neurons)), key=itemgetter(0))
            del kept[most:]

    @classmethod
    def of(cls, known: Iterable[KnowledgeNeurons]) -> OtherFacts:
        """Facts with their knowledge neurons, each asked by its first prompt."""
        found = list(known)
        queries = {each.fact.key: each.queries[0] if each.queries else None for each in found}
        return cls(((each.fact, each.neurons) for each in found), lambda fact: queries[fact.key])

    def __iter__(self) -> Iterator[tuple[Fact, frozenset[Neuron]]]:
        """The facts that are kept, with their knowledge neurons."""
        return ((fact, neurons) for kept in self._kept.values() for _, fact, neurons in kept)

    def sample(self, fact: Fact, count: int, seed: int) -> list[OtherFact]:
        """`count` other facts of the same language (fewer if there are fewer); the fact's own reverse is not one."""
        pool = [kept for kept in self._kept.get(fact.language, []) if _base(kept[1].id) != _base(fact.id)]
        drawn: list[OtherFact] = []
        for _, other, neurons in sorted(pool, key=lambda kept: _hash(f"{seed}/{fact.key}/{kept[1].key}")):
            if len(drawn) == count:
                break
            query = self._query(other)
            if query is not None:
                drawn.append(OtherFact(other, query, neurons))
        return drawn

    def _query(self, fact: Fact) -> Query | None:
        if fact.key not in self._queries:
            self._queries[fact.key] = self._ask(fact)
        return self._queries[fact.key]


def _base(fact_id: str) -> str:
    return fact_id.removesuffix("/reverse")


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def degenerate_or_redundant(
    model: Model,
    known: KnowledgeNeurons,
    found: DegenerateNeurons,
    others: OtherFacts | Iterable[KnowledgeNeurons],
    settings: RedundancySettings | None = None,
    **options: object,
) -> CarriedFacts:
    """Whether the components of one fact carry other facts too (degenerate) or serve this fact alone (redundant).

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
    settings = with_options(RedundancySettings, settings, options)
    pool = others if isinstance(others, OtherFacts) else OtherFacts.of(others)
    drawn = pool.sample(found.fact, settings.others, settings.seed)
    return carried_facts(model, found, drawn, _random_sets(model, known, found, settings), settings)


def _random_sets(
    model: Model, known: KnowledgeNeurons, found: DegenerateNeurons, settings: RedundancySettings
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
