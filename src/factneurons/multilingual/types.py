"""What joining a fact over languages gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from factneurons.attribution.types import KnowledgeNeurons
from factneurons.facts.saved import Saved
from factneurons.facts.types import Fact
from factneurons.models.types import Neuron, Query

LANGUAGE_MISSING, HELD_OUT, NO_NEURONS, NOTHING_SHARED = "language-missing", "held-out", "no-neurons", "nothing-shared"

REASONS: dict[str, str] = {
    LANGUAGE_MISSING: "the fact was not located in every language",
    HELD_OUT: "the thresholds were chosen on it",
    NO_NEURONS: "it has no knowledge neurons in one of the languages",
    NOTHING_SHARED: "its languages do not share enough neurons",
}
"""Why a fact has no language-independent neurons."""

STATIC = 0.3
"""A fact whose CS is lower is inconsistent."""


@dataclass(frozen=True, slots=True)
class LanguageIndependent(Saved):
    """The language-independent neurons of one fact.

    Attributes:
        fact_id: the id that the fact has in every language.
        known: its knowledge neurons, one record per language, in the order of the languages.
        neurons: the language-independent ones, best first: by the mean over languages of the score as a share of
            the language's largest.
        rule: what makes a neuron one of them, a name of `RULES`.
        needed: in how many languages a neuron must be found; 0: the rule is not about sets.
        cuts: per language, the share of the fact's largest score asked of a neuron; 0: as located.
        jaccard: |A and B| / |A or B| of the languages' neurons, mean over pairs of languages; NaN: no neurons at all.
        expected: how many neurons the rule gives on average for random sets of the same sizes and layers;
            NaN where the fact takes no part.
        p_value: how often random sets share as much or more; NaN likewise.
        exact: whether the p-value was computed, not estimated from random draws.
        reason: why there are no neurons, a name of `REASONS`; "" where there are some.
    """

    fact_id: str
    known: tuple[KnowledgeNeurons, ...]
    neurons: tuple[Neuron, ...]
    rule: str
    needed: int
    cuts: tuple[float, ...]
    jaccard: float
    expected: float
    p_value: float
    exact: bool
    reason: str

    @property
    def fact(self) -> Fact:
        """The fact in all of its languages."""
        return fact_in_all([each.fact for each in self.known])

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages in which the fact was located."""
        return tuple(each.fact.language for each in self.known)

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many knowledge neurons it has in each language."""
        return tuple(len(each.neurons) for each in self.known)

    @property
    def takes_part(self) -> bool:
        """Whether the fact is there in every language, and was not held out for the choice of thresholds."""
        return self.reason not in (LANGUAGE_MISSING, HELD_OUT)

    def holders(self, neuron: Neuron) -> tuple[str, ...]:
        """The languages whose knowledge neurons hold a neuron."""
        return tuple(each.fact.language for each in self.known if neuron in each.neurons)


ALL = "all"
"""Stands for the language of a fact in all its languages together."""


def fact_in_all(facts: Sequence[Fact]) -> Fact:
    """A fact in all its languages, as one fact of the language `ALL`."""
    prompts = tuple(prompt for fact in facts for prompt in fact.prompts)
    return replace(facts[0], language=ALL, prompts=prompts)


@dataclass(frozen=True, slots=True)
class Consistency:
    """How well sets agree, each measure from 0 (nothing shared) to 1 (all the same); NaN where every set is empty.

    Attributes:
        strict: CS_strict, the share of the neurons that is in all sets.
        relaxed: CS, the share that is in two sets or more.
        jaccard: mean over pairs of sets.
        sorensen: of many sets at once.
        morisita_horn: likewise; small sets weigh as much as large ones.
        sets: how many sets there are.
    """

    strict: float
    relaxed: float
    jaccard: float
    sorensen: float
    morisita_horn: float
    sets: int


@dataclass(frozen=True, slots=True)
class FactConsistency(Saved):
    """The neurons that each prompt of a fact gives, and how well they agree.

    Attributes:
        fact: the fact.
        queries: the prompts that could be asked.
        neurons: the neurons of each of them.
        scores: None where there are fewer than two prompts or no neurons; `reason` says which.
        consistent: whether CS reaches the threshold; None likewise.
        threshold: the threshold.
        reason: "", "one-prompt" or "no-neurons".
    """

    fact: Fact
    queries: tuple[Query, ...]
    neurons: tuple[frozenset[Neuron], ...]
    scores: Consistency | None
    consistent: bool | None
    threshold: float
    reason: str
