"""Counts of a source of facts: how many, of what kind, and how many of them a model can be asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from factneurons.errors import NotAskable
from factneurons.facts.source import FactSource, load_facts
from factneurons.facts.types import Fact, Prompt

Ask = Callable[[Prompt, str], object]


@dataclass
class RelationCounts:
    """The counts of one relation; what was asked is 0 if no model was."""

    facts: int = 0
    prompts: int = 0
    dated: int = 0
    askable_facts: int = 0
    askable_prompts: int = 0
    languages: Counter[str] = field(default_factory=Counter)


@dataclass
class Refusals:
    """How often a model could not be asked for one reason, and one example of it."""

    prompts: int
    example: str


@dataclass
class Description:
    """What a source holds.

    Attributes:
        description: the source, for people.
        sha256: the hash of its data.
        facts, prompts, dated: how many were read; dated facts have a date.
        records, skipped, skipped_parts, left_out: as counted by the source (see `FactSource`).
        languages: language -> facts.
        dates: date -> facts.
        blanks: "end", "start", "inside" -> prompts with their blank there; a causal model can only be
            asked those at the end.
        relations: relation -> its counts.
        asked: whether a model was asked.
        askable_facts: facts that have a prompt that can be asked.
        askable_prompts: prompts that can be asked.
        refusals: reason code -> prompts that cannot be asked, and an example.
    """

    description: str
    sha256: str
    facts: int = 0
    prompts: int = 0
    dated: int = 0
    records: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)
    skipped_parts: Mapping[str, int] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)
    languages: Counter[str] = field(default_factory=Counter)
    dates: Counter[str] = field(default_factory=Counter)
    blanks: Counter[str] = field(default_factory=Counter)
    relations: dict[str, RelationCounts] = field(default_factory=dict)
    asked: bool = False
    askable_facts: int = 0
    askable_prompts: int = 0
    refusals: dict[str, Refusals] = field(default_factory=dict)


def describe(source: FactSource | Iterable[Fact], ask: Ask | None = None) -> Description:
    """Count what a source holds, in one pass.

    Args:
        source: the facts.
        ask: tries a prompt and an answer on a model and raises NotAskable if it cannot be asked, for
            instance `model.query`.

    Raises:
        BadFact: a record that cannot be used, unless the source skips those.
    """
    facts = source if isinstance(source, FactSource) else load_facts(source)
    result = Description(facts.description, facts.sha256(), asked=ask is not None)
    for fact in facts:
        relation = result.relations.setdefault(fact.relation, RelationCounts())
        _count(result, relation, fact)
        if ask is not None:
            _try(result, relation, fact, ask)
    result.records, result.skipped = facts.records, facts.skipped
    result.skipped_parts, result.left_out = facts.skipped_parts, facts.left_out
    return result


def _count(result: Description, relation: RelationCounts, fact: Fact) -> None:
    for counts in (result, relation):
        counts.facts += 1
        counts.prompts += len(fact.prompts)
        counts.dated += fact.date is not None
        counts.languages[fact.language] += 1
    if fact.date is not None:
        result.dates[fact.date] += 1
    result.blanks.update(prompt.blank_position for prompt in fact.prompts)


def _try(result: Description, relation: RelationCounts, fact: Fact, ask: Ask) -> None:
    askable = 0
    for prompt in fact.prompts:
        try:
            ask(prompt, fact.answer)
        except NotAskable as refusal:
            known = result.refusals.setdefault(refusal.reason, Refusals(0, f"{fact.id}: {refusal}"))
            known.prompts += 1
        else:
            askable += 1
    for counts in (result, relation):
        counts.askable_prompts += askable
        counts.askable_facts += askable > 0
