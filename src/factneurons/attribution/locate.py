"""Knowledge neurons of many facts: ask every prompt, attribute, choose, and count what could not be asked."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Self

import numpy as np

from factneurons.attribution.attribute import attribute_all
from factneurons.attribution.methods import threshold_for
from factneurons.attribution.rounds import search_in_rounds
from factneurons.attribution.settings import AttributionSettings, SelectionSettings
from factneurons.attribution.tables import LOCATED
from factneurons.attribution.target_size import Group, chosen_by, shares_of
from factneurons.attribution.types import Attribution, Completeness, KnowledgeNeurons, Located
from factneurons.facts.saved import Saved
from factneurons.facts.types import Fact, Prompt
from factneurons.models.model import Model
from factneurons.models.prompts import ask, of_fact, set_against
from factneurons.models.questions import Asking, knowing
from factneurons.models.types import WRONG_ANSWERS, Query, Refusal
from factneurons.models.written import written
from factneurons.settings import refuse, with_options
from factneurons.tables import ResultTable

_BATCH = 8


@dataclass(frozen=True)
class KnowledgeNeuronTable(ResultTable[KnowledgeNeurons], Saved):
    """The knowledge neurons of many facts; also seen as the tables `facts` and `completeness`.

    `save(path)` keeps all that was found in a JSON file, `KnowledgeNeuronTable.load(path)` reads it.

    Attributes:
        located: everything that was found, also of facts that could not be asked.
    """

    located: tuple[Located, ...] = field(repr=False)

    @classmethod
    def of(cls, located: Iterable[Located]) -> Self:
        """The table of what was located."""
        everything = tuple(located)
        return cls(tuple(each.known for each in everything if each.known is not None), LOCATED, everything)

    @property
    def refusals(self) -> list[Refusal]:
        """All prompts that could not be asked."""
        return [refusal for each in self.located for refusal in each.refusals]

    def counts(self) -> dict[str, int]:
        """Facts read and asked, prompts asked, and prompts that could not be asked, by reason."""
        reasons = Counter(refusal.reason for refusal in self.refusals)
        asked = sum(len(known.queries) for known in self)
        return {"facts": len(self.located), "asked facts": len(self), "asked prompts": asked, **reasons}

    def _results(self) -> Iterable[Located]:
        return self.located

    def _kept(self) -> tuple[Located, ...]:
        return self.located

    @classmethod
    def _kind(cls) -> object:
        return tuple[Located, ...]

    @classmethod
    def _of(cls, kept: Iterable[Located]) -> Self:
        return cls.of(kept)


def locate(
    model: Model,
    facts: Iterable[Fact],
    settings: AttributionSettings | None = None,
    selection: SelectionSettings | None = None,
    *,
    multi_mask: bool = False,
    negatives: Callable[[Fact], Sequence[tuple[Prompt, str]]] | None = None,
    **options: object,
) -> KnowledgeNeuronTable:
    """Find the knowledge neurons of facts.

    Args:
        model: a loaded model.
        facts: the facts.
        settings: how to attribute, or
        **options: its fields by name, for instance `method="amig"`.
        selection: how to choose neurons.
        multi_mask: cloze models: ask for answers of several tokens with as many masks; otherwise such facts
            are counted as not askable.
        negatives: gives, for a fact, prompts (with answers) that share its words but ask something else; their
            neurons are left out.

    Raises:
        BadSetting: an unknown method, rule or option.
        BadNumber: scores that are NaN or infinite; names the prompt.
    """
    chosen, how = with_options(AttributionSettings, settings, options), selection or SelectionSettings()
    located: list[Located] = []
    facts = list(facts) if how.target_size else facts
    shares = shares_of(model, facts, chosen, how, multi_mask=multi_mask) if how.target_size else {}
    stream = iter(facts)
    while batch := list(islice(stream, _BATCH)):
        located += locate_batch(model, batch, chosen, how, multi_mask=multi_mask, negatives=negatives, shares=shares)
    return KnowledgeNeuronTable.of(located)


def locate_batch(
    model: Model,
    facts: Sequence[Fact],
    settings: AttributionSettings,
    selection: SelectionSettings,
    *,
    multi_mask: bool = False,
    negatives: Callable[[Fact], Sequence[tuple[Prompt, str]]] | None = None,
    shares: Mapping[Group, float] | None = None,
) -> list[Located]:
    """Find the knowledge neurons of a few facts, whose prompts share passes.

    Args:
        model, facts, settings, selection, multi_mask, negatives: as in `locate`.
        shares: the share of every relation and language, where it depends on all facts (`target_size.shares_of`).

    Raises:
        BadSetting: a target size without such shares.
    """
    if selection.target_size and not shares:
        refuse("target_size", True, "False where facts are located a few at a time, not all of a relation")
    began = time.perf_counter()
    asked = [
        ask(model, fact, multi_mask=multi_mask, against=settings.against, positions=settings.positions)
        for fact in facts
    ]
    unlike = [
        _negative_queries(model, fact, negatives(fact), settings, multi_mask=multi_mask) if negatives else []
        for fact in facts
    ]
    queries = [query for own, _ in asked for query in own] + [query for own in unlike for query in own]
    found = iter(attribute_all(model, queries, settings))
    ranks = iter(model.evaluate([query for own, _ in asked for query in own]))
    attributions = [list(islice(found, len(own))) for own, _ in asked]
    unwanted = [list(islice(found, len(own))) for own in unlike]
    best = [min((each.rank for each in islice(ranks, len(own))), default=0) for own, _ in asked]
    seconds = (time.perf_counter() - began) / len(facts)
    known = model.answer(
        _known(model, fact, own, negative, rank, settings, chosen_by(selection, shares, fact)) if own else knowing(None)
        for fact, own, negative, rank in zip(facts, attributions, unwanted, best, strict=True)
    )
    tokens = iter(written(model, list(chain.from_iterable(each.neurons for each in known if each is not None))))
    return [
        Located(
            fact=fact,
            known=each,
            completeness=tuple(_completeness(attribution) for attribution in own),
            refusals=tuple(refusals),
            answer_tokens=_answer_tokens(model, own[0].query) if own else (),
            seconds=seconds,
            written=tuple(islice(tokens, len(each.neurons))) if each is not None else (),
        )
        for fact, each, (_, refusals), own in zip(facts, known, asked, attributions, strict=True)
    ]


def _negative_queries(
    model: Model,
    fact: Fact,
    negatives: Sequence[tuple[Prompt, str]],
    settings: AttributionSettings,
    *,
    multi_mask: bool,
) -> list[Query]:
    """Prompts that ask something else, scored by the same quantity."""
    if settings.against == WRONG_ANSWERS:
        refuse("against", settings.against, "a text where there are negative prompts, which have no wrong answers")
    queries = []
    for prompt, answer in negatives:
        query = of_fact(model.query(prompt, answer, multi_mask=multi_mask, subject=fact.subject), fact)
        if settings.against is not None:
            query = set_against(model, query, settings.against, multi_mask=multi_mask)
        queries.append(of_fact(query, fact))
    return queries


def _known(
    model: Model,
    fact: Fact,
    attributions: Sequence[Attribution],
    negatives: Sequence[Attribution],
    rank: int,
    settings: AttributionSettings,
    selection: SelectionSettings,
) -> Asking[KnowledgeNeurons]:
    threshold = threshold_for(fact, settings, selection)
    queries = [attribution.query for attribution in attributions]
    rounds = yield from search_in_rounds(
        model, queries, settings, threshold, selection, first=attributions, negatives=negatives
    )
    chosen = [each.chosen for each in rounds]
    return KnowledgeNeurons(
        fact=fact,
        neurons=tuple(neuron for each in chosen for neuron in each.neurons),
        scores=tuple(score for each in chosen for score in each.scores),
        shares=tuple(share for each in chosen for share in each.shares),
        rounds=tuple(number for number, each in enumerate(chosen, start=1) for _ in each.neurons),
        queries=tuple(queries),
        method=settings.method,
        threshold=threshold,
        refined=len(attributions) > 1 and selection.agreement != "union",
        probability=float(np.mean([attribution.probability for attribution in attributions])),
        rank=rank,
    )


def _answer_tokens(model: Model, query: Query) -> tuple[str, ...]:
    return tuple(str(token) for token in model.backbone.tokenizer.convert_ids_to_tokens(list(query.answer_ids)))


def _completeness(attribution: Attribution) -> Completeness:
    return Completeness(
        query=attribution.query,
        completeness_error=tuple(float(value) for value in attribution.completeness_error),
        completeness_ratio=tuple(float(value) for value in attribution.completeness_ratio),
        baseline_probability=tuple(float(value) for value in attribution.baseline_probability),
        points=tuple(int(value) for value in attribution.points),
        probability=attribution.probability,
    )
