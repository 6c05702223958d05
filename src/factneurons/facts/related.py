"""Facts that stand around a fact: itself in other languages, its relation and others, its reverse, its answer's facts.

`RelatedFacts` finds them among facts held in memory; `FactPool` draws some to be asked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Generic, TypeVar

from factneurons.draws import bounded_sample, rank
from factneurons.facts.relations import REVERSE
from factneurons.facts.types import Fact

_Query = TypeVar("_Query")


def same_fact(one: Fact, other: Fact) -> bool:
    """Whether they are one fact: in any language, or one asked backwards ("ID/reverse")."""
    return _forwards(one.id, "/") == _forwards(other.id, "/")


def same_relation(one: Fact, other: Fact) -> bool:
    """Whether they are of one relation, or of a relation and its reverse."""
    return _forwards(one.relation, "_") == _forwards(other.relation, "_")


def _forwards(name: str, joint: str) -> str:
    return name.removesuffix(joint + REVERSE)


class FactPool(Generic[_Query]):
    """Facts to draw from, the same ones whatever their order; each is asked once, when it is drawn.

    Args:
        facts: the facts, to be held in memory; `few_per_relation` of a stream.
        ask: how a fact is asked, or None if it cannot be.
    """

    def __init__(self, facts: Iterable[Fact], ask: Callable[[Fact], _Query | None]) -> None:
        self._facts, self._ask = tuple(facts), ask
        self._queries: dict[str, _Query | None] = {}

    def unrelated(self, fact: Fact, count: int, seed: int) -> list[tuple[Fact, _Query]]:
        """`count` facts of other relations and the same language, with their queries (fewer if there are fewer)."""
        return self._draw(fact, count, seed, lambda other: not same_relation(other, fact))

    def passed_over(self, fact: Fact, count: int, seed: int) -> list[Fact]:
        """Facts that `unrelated` drew and could not ask, before it had enough."""
        tried = self._tried(fact, count, seed, lambda other: not same_relation(other, fact))
        return [other for other, query in tried if query is None]

    def others(self, fact: Fact, count: int, seed: int) -> list[tuple[Fact, _Query]]:
        """The same of any relation; the fact's own reverse is no other fact."""
        return self._draw(fact, count, seed, lambda other: not same_fact(other, fact))

    def _draw(self, fact: Fact, count: int, seed: int, wanted: Callable[[Fact], bool]) -> list[tuple[Fact, _Query]]:
        return [(other, query) for other, query in self._tried(fact, count, seed, wanted) if query is not None]

    def _tried(
        self, fact: Fact, count: int, seed: int, wanted: Callable[[Fact], bool]
    ) -> Iterator[tuple[Fact, _Query | None]]:
        """Facts in the order they are drawn, until `count` of them can be asked."""
        able = [other for other in self._facts if other.language == fact.language and wanted(other)] if count else []
        for other in sorted(able, key=lambda other: rank(f"{seed}/{fact.key}/{other.key}")):
            query = self._query(other)
            yield other, query
            count -= query is not None
            if not count:
                break

    def _query(self, fact: Fact) -> _Query | None:
        if fact.key not in self._queries:
            self._queries[fact.key] = self._ask(fact)
        return self._queries[fact.key]


def few_per_relation(facts: Iterable[Fact], most: int = 64) -> list[Fact]:
    """A bounded sample of facts, `most` per relation and language; a relation and its reverse count as one."""
    return bounded_sample(
        facts,
        name=lambda fact: fact.key,
        group=lambda fact: (fact.language, _forwards(fact.relation, "_")),
        most=most,
    )


class RelatedFacts:
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
        return [other for other in self.facts if other.language == fact.language and not same_relation(other, fact)]

    def holders(self, fact: Fact, answer: str) -> list[Fact]:
        """Facts of the same relation and language that have this answer."""
        return self._holders[fact.relation, fact.language, answer.casefold()]

    def other_answers(self, fact: Fact, seed: int) -> list[str]:
        """What the relation's other facts answer and this one does not, in a random order of the fact's own."""
        right = {name.casefold() for name in (fact.answer, *fact.aliases)}
        answers = {each.answer for each in self.neighbours(fact) if each.answer.casefold() not in right}
        return sorted(answers, key=lambda each: rank(f"{seed}/{fact.key}/{each}"))

    def counterfactual(self, fact: Fact, seed: int) -> Fact | None:
        """The fact with another answer of its relation, the same one every time; None where there is no other."""
        others = self.other_answers(fact, seed)
        return replace(fact, answer=others[0], aliases=()) if others else None

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
