"""What an experiment works with: a model, facts in memory, their queries and their knowledge neurons.

Knowledge neurons are found with one half of a fact's prompts and tested with the other, so that no number rests on the
prompts it was found with.

The experiments are listed, and told of in help texts, without a model: here and in the suite, what imports PyTorch is
imported where it works.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from factneurons.attribution.types import KnowledgeNeurons, Measurement
from factneurons.degeneracy.types import DegenerateNeurons
from factneurons.errors import NotAskable
from factneurons.experiments.settings import ExperimentSettings
from factneurons.facts.related import FactPool, RelatedFacts, few_per_relation
from factneurons.facts.types import Fact
from factneurons.models.prompts import queries_of
from factneurons.models.types import Neuron, Query

if TYPE_CHECKING:
    from factneurons.models.model import Model

T = TypeVar("T")

BATCH = 8
"""Facts whose neurons are located together."""


class Around(RelatedFacts):
    """The facts of a study, found from each other; unrelated ones are those that the model knows."""

    def __init__(self, study: Study) -> None:
        super().__init__(study.facts)
        self._study = study

    def unrelated(self, fact: Fact) -> list[Fact]:
        """Facts of other relations in the same language that the model knows."""
        return [other for other in super().unrelated(fact) if self._study.ask_around(other) is not None]


class Study:
    """A model and facts, as experiments look at them.

    What several experiments need is found once, for all that are given the same study.

    Args:
        model: the model.
        facts: all facts, in memory.
        settings: how the experiment is made.

    Attributes:
        checkpoint: the name of a training -> where it is kept while it goes on, for the time of a block; None: nowhere.
    """

    checkpoint: Callable[[str], AbstractContextManager[Path | None]]

    def __init__(self, model: Model, facts: Sequence[Fact], settings: ExperimentSettings) -> None:
        self.model, self.settings = model, settings
        self.checkpoint = lambda name: nullcontext()
        self.facts = tuple(facts)
        self.pool = FactPool(few_per_relation(self.facts), self.ask_around)
        self._by_id: dict[str, dict[str, Fact]] = defaultdict(dict)
        for fact in self.facts:
            self._by_id[fact.id][fact.language] = fact
        self._queries: dict[str, tuple[Query, ...]] = {}
        self._known: dict[tuple[str, str], KnowledgeNeurons] = {}
        self._passed_over: dict[str, str] = {}
        self._knows: dict[str, bool] = {}
        self._components: dict[str, DegenerateNeurons] = {}
        self._made: dict[tuple[str, ...], object] = {}
        self._next: dict[str, Sequence[Fact]] = {}

    def languages(self, fact: Fact) -> dict[str, Fact]:
        """The same fact in every language that the study has it in, itself included."""
        return self._by_id[fact.id]

    def queries(self, fact: Fact) -> tuple[Query, ...]:
        """The prompts of a fact that the model can be asked.

        Raises:
            NotAskable: none can; the reason is that of the first prompt.
        """
        if fact.key not in self._queries:
            self._queries[fact.key] = queries_of(self.model, fact, multi_mask=self.settings.multi_mask)
        return self._queries[fact.key]

    def unrelated(self, fact: Fact) -> tuple[list[tuple[Fact, Query]], Counter[str]]:
        """Facts of other relations that are asked beside a fact, and reason -> how many were passed over for them.

        They are drawn among those that the model knows: what it does not know can hardly be damaged.
        """
        drawn = fact, self.settings.unrelated, self.settings.seed
        passed_over = Counter(self._passed_over[other.key] for other in self.pool.passed_over(*drawn))
        return self.pool.unrelated(*drawn), passed_over

    def ask_around(self, fact: Fact) -> Query | None:
        """How a fact is asked beside one of another relation; None: it is not known, or cannot be asked."""
        try:
            if self.knows(fact):
                return self.queries(fact)[0]
            self._passed_over[fact.key] = "not-known"
        except NotAskable as error:
            self._passed_over[fact.key] = error.reason
        return None

    def halves(self, fact: Fact) -> tuple[tuple[Query, ...], tuple[Query, ...]]:
        """Queries to find neurons with, and queries to test them with; the same ones if there is only one.

        Raises:
            NotAskable: no prompt can be asked.
        """
        queries = self.queries(fact)
        return queries[::2], queries[1::2] or queries

    def knows(self, fact: Fact) -> bool:
        """Whether the answer of a fact comes first in any of its prompts.

        Raises:
            NotAskable: no prompt can be asked.
        """
        if fact.key not in self._knows:
            self._knows[fact.key] = any(each.rank == 1 for each in self.model.evaluate(self.queries(fact)))
        return self._knows[fact.key]

    def require_known(self, fact: Fact) -> None:
        """Leave out a fact that the model does not know, if the settings say so.

        Raises:
            NotAskable: with the reason "not-known", if its answer comes first in none of its prompts.
        """
        if not self.settings.known_only:
            return
        if not self.knows(fact):
            raise NotAskable("not-known", f"its answer {fact.answer!r} comes first in none of its prompts")

    def knowledge(self, fact: Fact, method: str) -> KnowledgeNeurons:
        """The knowledge neurons of a fact, found with the first of its halves.

        Facts that are announced with `expect` are located together.

        Raises:
            NotAskable: no prompt can be asked, or no neuron was found.
        """
        if (fact.key, method) not in self._known:
            self._locate(self._next.get(fact.key, (fact,)), method)
        known = self._known[fact.key, method]
        if not known.neurons:
            raise NotAskable("no-knowledge-neurons", f"{method} finds no knowledge neurons for it")
        return known

    def degenerate(self, fact: Fact) -> tuple[Neuron, ...]:
        """The neurons of a fact's components, sorted; () without any.

        Raises:
            NotAskable: as `knowledge`.
        """
        return self.components(fact).neurons

    def components(self, fact: Fact) -> DegenerateNeurons:
        """The groups of a fact's knowledge neurons by the first method, and which of them are components.

        Facts that are announced with `expect`, and known, are searched together.

        Raises:
            NotAskable: as `knowledge`.
        """
        if fact.key not in self._components:
            known = self.knowledge(fact, self.settings.methods[0])
            self.search([known, *self._beside(fact)])
        return self._components[fact.key]

    def search(self, known: Iterable[KnowledgeNeurons]) -> list[DegenerateNeurons]:
        """The components of these facts' neurons, in their order; those not searched yet are searched together."""
        from factneurons.degeneracy.find import degenerate_search

        asked = {each.fact.key: each for each in known}
        todo = [each for key, each in asked.items() if key not in self._components]
        found = self.model.answer([degenerate_search(self.model, each, self.settings.search) for each in todo])
        self._components |= {each.fact.key: result for each, result in zip(todo, found, strict=True)}
        return [self._components[key] for key in asked]

    def _beside(self, fact: Fact) -> Iterator[KnowledgeNeurons]:
        """The knowledge neurons, where there are any, of the facts that are announced with this one."""
        for other in self._next.get(fact.key, ()):
            known = self._known.get((other.key, self.settings.methods[0]))
            if known is not None and known.neurons and (self.knows(other) or not self.settings.known_only):
                yield known

    def once(self, key: tuple[str, ...], make: Callable[[], T]) -> T:
        """What `make` returns, made the first time that this key is asked for."""
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]  # type: ignore[return-value]

    def intervene(
        self, fact: Fact, queries: Sequence[Query], neurons: Sequence[Neuron], name: str
    ) -> list[Measurement]:
        """What suppressing and enhancing neurons, called `name`, does to these queries of a fact and to others."""
        from factneurons.attribution.effects import Asked, intervene

        return intervene(self.model, Asked(fact, tuple(queries)), neurons, name, self.pool, self.settings.interventions)

    def random(self, queries: Sequence[Query], neurons: Sequence[Neuron], name: str) -> list[tuple[Neuron, ...]]:
        """As many sets of random neurons as the settings say, to compare these with; `name` decides the draws.

        Raises:
            NotAskable: too few other neurons to compare with.
        """
        from factneurons.attribution.controls import CONTROLS, strengths

        how = self.settings
        draw = CONTROLS[how.control]
        return draw(strengths(self.model, queries), neurons, draws=how.draws, seed=how.seed, name=name)

    def expect(self, facts: Sequence[Fact]) -> None:
        """Announce facts that come next."""
        self._next = {fact.key: tuple(facts) for fact in facts}

    def _locate(self, facts: Iterable[Fact], method: str) -> None:
        from factneurons.attribution.locate import locate_batch

        halves = []
        for fact in facts:
            try:
                first, _ = self.halves(fact)
            except NotAskable:
                continue
            halves.append((fact, replace(fact, prompts=tuple(query.prompt for query in first))))
        found = locate_batch(
            self.model,
            [half for _, half in halves],
            self.settings.scoring(method),
            self.settings.selection,
            multi_mask=self.settings.multi_mask,
        )
        for (fact, _), each in zip(halves, found, strict=True):
            assert each.known is not None, "every prompt of a half could be asked"
            self._known[fact.key, method] = replace(each.known, fact=fact)
