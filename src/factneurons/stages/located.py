"""The facts that a run holds, for the stages that come after `locate`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from factneurons.attribution.types import KnowledgeNeurons
from factneurons.degeneracy.carried import KnowledgePool
from factneurons.degeneracy.carrying import FactsByNeuron
from factneurons.degeneracy.drops import Drops, suppressed_by
from factneurons.degeneracy.settings import DegeneracySettings
from factneurons.facts.related import FactPool, few_per_relation
from factneurons.facts.types import Fact
from factneurons.models.model import Model
from factneurons.models.prompts import ask
from factneurons.models.types import Neuron, Query
from factneurons.runs.reading import located_facts
from factneurons.runs.store import Run

BATCH = 8
"""Facts of one call of a stage's work, and of one commit."""


class RunFacts:
    """The facts of a run's `locate` stage, read from the run itself, with what a later stage needs of each.

    The stream is read one commit at a time; what is needed of a fact is kept until its work is done.

    Args:
        run: the run.
        model: the model it was made with.
        done: keys of the facts that the later stage has dealt with already.
    """

    def __init__(self, run: Run, model: Model, done: set[str]) -> None:
        self._run, self._model, self._done = run, model, done
        self._taken: dict[str, KnowledgeNeurons] = {}
        self._multi_mask = bool(run.manifest.stages["locate"].settings["multi_mask"])
        self._known: dict[str, KnowledgeNeurons] = {}

    def __iter__(self) -> Iterator[Fact]:
        for fact, row, neurons in located_facts(self._run):
            if fact.key in self._done:
                yield fact
                continue
            self._known[fact.key] = _known(fact, row, neurons)
            yield fact

    def all_known(self) -> Iterator[KnowledgeNeurons]:
        """The knowledge neurons of every fact, without queries."""
        return (_known(fact, row, neurons) for fact, row, neurons in located_facts(self._run))

    def with_queries(self, known: KnowledgeNeurons) -> KnowledgeNeurons:
        """The same with its queries, made anew."""
        return replace(known, queries=tuple(self._queries(known.fact)))

    def take(self, fact: Fact) -> KnowledgeNeurons:
        """The knowledge neurons of a fact that came out of the stream, with its queries made anew."""
        if fact.key in self._known:
            self._taken[fact.key] = self._known.pop(fact.key)
        known = self._taken[fact.key]
        while len(self._taken) > 2 * BATCH:  # a batch that fails is taken once more, fact by fact
            del self._taken[next(iter(self._taken))]
        return self.with_queries(known)

    def _queries(self, fact: Fact) -> Iterator[Query]:
        """The prompts of a fact that the model can be asked, made one by one as they are taken."""
        for prompt in fact.prompts:  # refusals were told and counted when it was located
            yield from ask(self._model, fact, prompts=[prompt], multi_mask=self._multi_mask)[0]

    def pool(self) -> FactPool[Query]:
        """Facts to ask as unrelated ones."""
        facts = (fact for fact, _, _ in located_facts(self._run))
        return FactPool(few_per_relation(facts), self._first_query)

    def knowledge_pool(self) -> KnowledgePool:
        """Facts to look for what components carry, with their knowledge neurons."""
        return KnowledgePool(self.all_known(), self._first_query)

    def by_neuron(self, settings: DegeneracySettings) -> FactsByNeuron:
        """The same facts, to look up which of them a group of neurons carries; each is asked with all its prompts."""

        @cache
        def drops_of(fact: Fact) -> Drops | None:
            queries = tuple(self._queries(fact))
            return Drops(suppressed_by(self._model, fact, queries)) if queries else None

        facts = ((known.fact, known.neurons) for known in self.knowledge_pool().kept)
        return FactsByNeuron(facts, drops_of, settings)

    def _first_query(self, fact: Fact) -> Query | None:
        return next(self._queries(fact), None)


def _known(fact: Fact, row: Mapping[str, Any], neurons: Sequence[tuple[Neuron, float, float]]) -> KnowledgeNeurons:
    return KnowledgeNeurons(
        fact=fact,
        neurons=tuple(neuron for neuron, _, _ in neurons),
        scores=tuple(score for _, score, _ in neurons),
        shares=tuple(share for _, _, share in neurons),
        queries=(),
        method=row["method"],
        threshold=row["threshold"],
        refined=row["refined"],
        probability=row["probability"],
        rank=row["rank"],
    )
