"""The tables of languages: facts joined over languages, their neurons, and what changing them does in each.

The first two are read off `LanguageIndependent`, the effects off `Measurement`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

from factneurons.attribution.tables import EFFECT_COLUMNS
from factneurons.attribution.types import Measurement
from factneurons.facts.saved import SavedTable
from factneurons.facts.types import Fact
from factneurons.models.types import Neuron
from factneurons.multilingual.types import Consistency, FactConsistency, LanguageIndependent
from factneurons.tables import (
    FLAG,
    INTEGER,
    KEY,
    NAMED_NUMBERS,
    NEURONS,
    NUMBER,
    RELATION,
    TEXT,
    TEXTS,
    AboutFact,
    Column,
    Table,
)


class _Held(NamedTuple):
    found: LanguageIndependent
    neuron: Neuron

    @property
    def fact(self) -> Fact:
        return self.found.fact


def _joined(found: LanguageIndependent) -> Iterator[LanguageIndependent]:
    """The fact, if it takes part."""
    if found.takes_part:
        yield found


def _held(found: LanguageIndependent) -> Iterator[_Held]:
    for joined in _joined(found):
        for neuron in sorted(set(joined.neurons).union(*(each.neurons for each in joined.known))):
            yield _Held(joined, neuron)


_KEY_OF_ALL: tuple[Column[AboutFact], ...] = (
    KEY[0],
    replace(KEY[1], meaning="all: the row is about the fact in all of its languages together"),
)

LANGUAGES: Table[LanguageIndependent] = Table(
    "languages",
    "One row per fact that was located in every language: what its languages share.",
    (
        *_KEY_OF_ALL,
        RELATION,
        Column("rule", TEXT, "what makes a neuron language-independent", lambda found: found.rule,
               choices=("intersection", "at_least", "union", "agnostic")),
        Column("needed", INTEGER, "in how many languages a neuron must be found; 0: the rule is not about sets",
               lambda found: found.needed),
        Column("sizes", NAMED_NUMBERS, "language -> knowledge neurons in it, after its cut",
               lambda found: dict(zip(found.languages, found.sizes, strict=True))),
        Column("cuts", NAMED_NUMBERS, "language -> share of the fact's largest score asked of a neuron; 0: as located",
               lambda found: dict(zip(found.languages, found.cuts, strict=True))),
        Column("neurons", NEURONS, "the language-independent neurons, best first", lambda found: found.neurons),
        Column("size", INTEGER, "how many there are", lambda found: len(found.neurons)),
        Column("jaccard", NUMBER,
               "neurons in both languages / neurons in either, mean over pairs of languages, 0 to 1; null: no neurons",
               lambda found: found.jaccard, optional=True),
        Column("expected", NUMBER,
               "how many there would be on average if every language had random neurons of the same layers; for"
               " agnostic: if every language's scores were dealt out anew within each layer",
               lambda found: found.expected),
        Column("p_value", NUMBER, "share of such random sets that share as much or more", lambda found: found.p_value),
        Column("exact", FLAG, "whether the p-value is computed; else it is estimated from random draws",
               lambda found: found.exact),
        Column("reason", TEXT, "why there are none; empty text where there are some", lambda found: found.reason),
    ),
    records=_joined,
)  # fmt: skip

LANGUAGE_NEURONS: Table[_Held] = Table(
    "language_neurons",
    "One row per fact and neuron that any of its languages has: which languages have it.",
    (
        *_KEY_OF_ALL,
        Column("layer", INTEGER, "the neuron's layer, from 0", lambda held: held.neuron.layer),
        Column("index", INTEGER, "its place among the inputs of the layer's down-projection, from 0",
               lambda held: held.neuron.index),
        Column("languages", TEXTS, "the languages in which it is a knowledge neuron of the fact",
               lambda held: held.found.holders(held.neuron)),
        Column("shared", FLAG, "whether it is language-independent by the rule",
               lambda held: held.neuron in held.found.neurons),
    ),
    order=("layer", "index"),
    records=_held,
)  # fmt: skip

LANGUAGE_EFFECTS: Table[Measurement] = Table(
    "language_effects",
    "One row per fact, language asked, set of neurons and action: the probability before and after.",
    (
        KEY[0],
        replace(KEY[1], meaning="the language in which the fact was asked"),
        RELATION,
        Column("neurons", TEXT,
               "shared: the language-independent ones; language: those of one language; random: matched to them",
               lambda measured: measured.neurons,
               choices=("shared", "language", "random for shared", "random for language")),
        Column("neurons_of", TEXT, "language: whose neurons were changed; empty text for shared ones",
               lambda measured: measured.neurons_of),
        *EFFECT_COLUMNS,
    ),
    order=("neurons", "neurons_of", "draw", "action", "prompts", "other_fact_id"),
)  # fmt: skip

JOINED = (LANGUAGES, LANGUAGE_NEURONS)
"""The tables of facts joined over languages, the main one first."""


def _measure(name: str, meaning: str, get: Callable[[Consistency], float]) -> Column[FactConsistency]:
    """How well the prompts agree by one measure; null where there are no scores."""
    return Column(
        name,
        NUMBER,
        f"{meaning}, 0 (nothing shared) to 1 (all the same); null: fewer than two prompts, or no neurons",
        lambda found: None if found.scores is None else get(found.scores),
        optional=True,
    )


CONSISTENCY: Table[FactConsistency] = Table(
    "consistency",
    "One row per fact: how well its prompts agree on its neurons.",
    (
        *KEY,
        RELATION,
        Column("prompts", INTEGER, "how many prompts were asked", lambda found: len(found.queries)),
        _measure("strict", "share of the neurons that all prompts give", lambda scores: scores.strict),
        _measure("relaxed", "CS: share of the neurons that two or more give", lambda scores: scores.relaxed),
        _measure("jaccard", "shared / any, mean over pairs of prompts", lambda scores: scores.jaccard),
        _measure("sorensen", "Sorensen's, of all prompts at once", lambda scores: scores.sorensen),
        _measure("morisita_horn", "Morisita-Horn's, of all prompts at once", lambda scores: scores.morisita_horn),
        Column(
            "consistent",
            FLAG,
            "whether CS reaches the threshold; null likewise",
            lambda found: found.consistent,
            optional=True,
        ),
        Column("threshold", NUMBER, "the threshold; null likewise", lambda found: found.threshold, optional=True),
        Column("reason", TEXT, "why there are no scores; empty text where there are some", lambda found: found.reason),
    ),
)


class LanguageIndependentTable(SavedTable[LanguageIndependent]):
    """The language-independent neurons of many facts; `save(path)` keeps them in a JSON file, `load(path)` reads it."""

    result, seen_as = LanguageIndependent, JOINED


class ConsistencyTable(SavedTable[FactConsistency]):
    """How well the prompts of many facts agree; `save(path)` keeps it in a JSON file, `load(path)` reads it."""

    result, seen_as = FactConsistency, (CONSISTENCY,)
