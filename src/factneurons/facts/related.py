"""What stands around a fact: itself in other languages, its relation and others, its reverse, its answer's facts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from factneurons.facts.relations import REVERSE
from factneurons.facts.types import Fact


class Surroundings:
    """Facts, held in memory and found from each other.

    Args:
        facts: all facts; the same one may be there in several languages, and asked backwards ("ID/reverse").
    """

    def __init__(self, facts: Iterable[Fact]) -> None:
        self.facts = tuple(facts)
        self._at: dict[tuple[str, str], Fact] = {(fact.id, fact.language): fact for fact in self.facts}
        self._holders: dict[tuple[str, str, str], list[Fact]] = defaultdict(list)
        self._relations: dict[tuple[str, str], list[Fact]] = defaultdict(list)
        for fact in self.facts:
            self._relations[fact.relation, fact.language].append(fact)
            self._holders[fact.relation, fact.language, fact.answer.casefold()].append(fact)

    def languages(self, fact: Fact) -> dict[str, Fact]:
        """Language -> the same fact there, itself included."""
        here = {fact.language: fact}
        for other in self.facts:
            if other.id == fact.id or fact.translations.get(other.language) == other.id:
                here.setdefault(other.language, other)
        return here

    def neighbours(self, fact: Fact) -> list[Fact]:
        """Facts of the same relation and language about other subjects."""
        own = self._relations[fact.relation, fact.language]
        return [other for other in own if other.subject != fact.subject]

    def unrelated(self, fact: Fact) -> list[Fact]:
        """Facts of other relations in the same language; a relation's reverse is no other relation."""
        base = _base(fact.relation)
        return [other for other in self.facts if other.language == fact.language and _base(other.relation) != base]

    def holders(self, fact: Fact, answer: str) -> list[Fact]:
        """Facts of the same relation and language that have this answer."""
        return self._holders[fact.relation, fact.language, answer.casefold()]

    def reverse(self, fact: Fact) -> Fact | None:
        """The fact asked backwards, where its relation can be."""
        return self._at.get((f"{fact.id}/{REVERSE}", fact.language))

    def translated(self, fact: Fact, answer: str) -> dict[str, str]:
        """Language -> a new answer there: what facts that have it here have as their answer there."""
        found = {fact.language: answer}
        for holder in self.holders(fact, answer):
            for language, other in self.languages(holder).items():
                found.setdefault(language, other.answer)
        return found


def _base(relation: str) -> str:
    return relation.removesuffix(f"_{REVERSE}")
