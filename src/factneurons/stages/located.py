"""What a run knows of its facts and its model, for the stages that come after `locate`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from factneurons.attribution.drops import Drops, suppressed_by
from factneurons.attribution.types import KnowledgeNeurons
from factneurons.degeneracy.carried import KnowledgePool
from factneurons.degeneracy.carrying import FactsByNeuron
from factneurons.degeneracy.settings import DegeneracySettings
from factneurons.errors import BadRun
from factneurons.facts.related import FactPool, few_per_relation
from factneurons.facts.types import Fact
from factneurons.models.load import load_model
from factneurons.models.model import Model
from factneurons.models.prompts import ask
from factneurons.models.types import WRONG_ANSWERS, Query
from factneurons.runs.counts import counted
from factneurons.runs.reading import LocatedNeuron, located_facts, positions_of
from factneurons.runs.store import Run
from factneurons.stages.display import Display
from factneurons.stages.stage import BATCH


def opened(run: Run | Path | str, model: Model | str | None, display: Display) -> tuple[Run, Model]:
    """A run in which something was located, and its model; tells if there may be more to locate.

    Raises:
        BadRun: no run, or nothing was located in it yet.
    """
    located = located_run(run)
    found = model if isinstance(model, Model) else model_of(located, model)
    if located.manifest.stages["locate"].state != "done":
        done = counted(located.counts("locate").done, "fact")
        display.note(f"note: locate did not come to its end here; only the {done} located so far are looked at")
    return located, found


def located_run(run: Run | Path | str) -> Run:
    """A run as it is on disk now, if anything was located in it.

    Raises:
        BadRun: no run, or nothing was located in it yet.
    """
    folder, summaries = (run.folder, run.summaries) if isinstance(run, Run) else (Path(run), {})
    located = Run.open(folder)
    if "locate" not in located.manifest.stages or not located.counts("locate").done:
        raise BadRun(f"{folder}: nothing was located in it; run factneurons locate --out {folder} first")
    located.summaries.update(summaries)
    return located


def model_of(run: Run | Path | str, name: str | None = None, **options: Any) -> Model:
    """Load the model that a run was made with, with the same weights and the same number format.

    Args:
        run: the run, or its folder.
        name: where the model is now; None: where it was.
        options: `device`, `device_map`, `trust_remote_code` or `allow_pickle`, as `load_model` takes them.

    Raises:
        BadRun: no run, or nothing was located in it yet.
        BadModel: the model cannot be loaded.
    """
    located = located_run(run)
    return load_model(
        name or str(located.manifest.model["name"]),
        dtype=str(located.manifest.model["dtype"]),
        revision=located.manifest.stages["locate"].settings.get("revision"),
        chat=bool(located.manifest.model.get("chat")),
        **options,
    )


def known_of(run: Run | Path | str, model: Model) -> list[KnowledgeNeurons]:
    """The knowledge neurons of every fact of a run, with the queries that its model is asked.

    Args:
        run: the run, or its folder.
        model: the model that it was made with (`model_of`).

    Raises:
        BadRun: no run, or nothing was located in it yet.
    """
    facts = RunFacts(located_run(run), model)
    return [facts.with_queries(known) for known in facts.all_known()]


class RunFacts:
    """The facts of a run's `locate` stage, read from the run itself, with what a later stage needs of each.

    The stream is read one commit at a time; what is needed of a fact is kept until its work is done.

    Args:
        run: the run.
        model: the model it was made with.
        done: keys of the facts that the later stage has dealt with already.
    """

    def __init__(self, run: Run, model: Model, done: Collection[str] = ()) -> None:
        self._run, self._model, self._done = run, model, done
        self._taken: dict[str, KnowledgeNeurons] = {}
        self._multi_mask = bool(run.manifest.stages["locate"].settings["multi_mask"])
        against = run.manifest.stages["locate"].settings.get("attribution", {}).get("against")
        self._against = None if against == WRONG_ANSWERS else against  # which a run's facts do not keep
        self._positions = positions_of(run)
        self._known: dict[str, KnowledgeNeurons] = {}

    def __iter__(self) -> Iterator[Fact]:
        for fact, row, neurons in located_facts(self._run):
            if fact.key in self._done:
                yield fact
                continue
            self._known[fact.key] = _known(fact, row, neurons)
            yield fact

    def total(self) -> int:
        """How many facts were located."""
        return self._run.counts("locate").rows.get("facts", 0)

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

    def forget(self, fact: Fact) -> None:
        """What is known of a fact that another worker has done is needed no more."""
        self._known.pop(fact.key, None)

    def _queries(self, fact: Fact) -> Iterator[Query]:
        """The prompts of a fact that the model can be asked, made one by one as they are taken."""
        for prompt in fact.prompts:  # refusals were told and counted when it was located
            yield from ask(
                self._model,
                fact,
                prompts=[prompt],
                multi_mask=self._multi_mask,
                against=self._against,
                positions=self._positions,
            )[0]

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
            return Drops(suppressed_by(fact, queries)) if queries else None

        facts = ((known.fact, known.neurons) for known in self.knowledge_pool().kept)
        return FactsByNeuron(facts, drops_of, settings)

    def _first_query(self, fact: Fact) -> Query | None:
        return next(self._queries(fact), None)


def _known(fact: Fact, row: Mapping[str, Any], neurons: Sequence[LocatedNeuron]) -> KnowledgeNeurons:
    rounds = tuple(each.round for each in neurons)
    return KnowledgeNeurons(
        fact=fact,
        neurons=tuple(each.neuron for each in neurons),
        scores=tuple(each.score for each in neurons),
        shares=tuple(each.share for each in neurons),
        queries=(),
        method=row["method"],
        threshold=row["threshold"],
        refined=row["refined"],
        probability=row["probability"],
        rank=row["rank"],
        rounds=rounds if max(rounds, default=1) > 1 else (),
    )
