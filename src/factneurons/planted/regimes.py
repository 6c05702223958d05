"""What each regime promises: how likely the answer is with which neurons suppressed.

In: a planted fact. Out: the promises that are trained for, and that the saved model must keep.

    degenerate      each component suffices, each is a unit, and each carries another fact too
    redundant       each component suffices, each is a unit, and carries nothing else
    conjunctive     every component is needed: each works only through the others
    single, shared  one component; a shared one carries other facts too
    bilingual       one component is needed in every language, and works through one for each language
    interchangeable single neurons of which any half suffices: no grouping is better than another
    lone            as redundant, but one component is a single neuron
    copies          every component is a single neuron, and each suffices
    large, unequal, four   as redundant, with components of many neurons, of unequal sizes, and with four of them
    overlapping     two components that each suffice and share a neuron, which is needed
    helped          one component, and neurons of little effect each that lift it from likely to known
    diffuse         many neurons of which any half suffices, and a fifth does not: no structure
    subject         as single, at the subject's last token: at the target its neurons do nothing for the fact
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np

from factneurons.models.types import Neuron
from factneurons.planted.types import PlantedFact, Regime

STORED, LOST, BROKEN = 0.8, 0.05, 0.3
"""P(answer) of a fact that is stored (at least), lost (at most), or left with part of a component (at most)."""

UNHELPED = (0.3, 0.7)
"""P(answer) of a helped fact without its helpers, from and to."""

_MOST_HALVES = 8

_LISTED = 3
"""Of a component of at most so many neurons each neuron is left, or taken, alone; of a larger one halves are drawn."""

_TRAINED, _ACCEPTED = 24, 8
"""How many sets are drawn where there are too many to list: to train with, and others to accept with."""

NeuronSet = frozenset[Neuron]


@dataclass(frozen=True, slots=True)
class Promise:
    """With these neurons suppressed, P(answer) is from `at_least` to `at_most`, in one language or in all.

    They are suppressed where the fact's neurons act, or at the target (`at_target`) where those act elsewhere.
    """

    what: str
    suppressed: NeuronSet
    at_least: float = 0.0
    at_most: float = 1.0
    language: str = ""
    at_target: bool = False


def promises(planted: PlantedFact, everything: Collection[Neuron], *, accepting: bool = False) -> list[Promise]:
    """Every promise of a planted fact.

    Args:
        planted: the fact and its neurons.
        everything: all planted neurons of the model.
        accepting: of sets that are too many to list, others are drawn than are trained with.
    """
    own = frozenset(planted.neurons)
    parts = [frozenset(component.neurons) for component in planted.components]
    return [
        Promise("nothing suppressed", frozenset(), at_least=STORED),
        Promise("its own neurons alone", frozenset(everything).difference(planted.everything), at_least=STORED),
        Promise("none of its neurons", own, at_most=LOST),
        *_PROMISES[planted.regime](own, parts, _Draw(accepting)),
        *_by_language(planted),
        *_helping(planted),
    ]


@dataclass(frozen=True, slots=True)
class _Draw:
    """Sets of neurons where there are too many to list, always the same ones."""

    accepting: bool

    def __call__(self, neurons: NeuronSet, size: int) -> list[NeuronSet]:
        """Different sets of so many of the neurons; those to accept with are none of those to train with."""
        rng, ordered = np.random.default_rng(len(neurons)), sorted(neurons)
        most = math.comb(len(ordered), size)
        trained = min(_TRAINED, most - min(_ACCEPTED, most // 4))
        found: dict[NeuronSet, None] = {}
        while len(found) < min(trained + _ACCEPTED, most):
            found[frozenset(ordered[place] for place in rng.permutation(len(ordered))[:size])] = None
        return list(found)[trained:] if self.accepting else list(found)[:trained]

    def pieces(self, part: NeuronSet) -> list[NeuronSet]:
        """What is missing from a component that is broken: one neuron, or of a large one a half."""
        if len(part) <= _LISTED:
            return [frozenset({neuron}) for neuron in sorted(part)]
        return self(part, len(part) // 2)


def _each_suffices(own: NeuronSet, parts: list[NeuronSet], draw: _Draw) -> Iterator[Promise]:
    pieces = [draw.pieces(part) for part in parts]
    for number, part in enumerate(parts):
        yield Promise(f"component {number} alone", own - part, at_least=STORED)
        for missing in pieces[number] if len(part) > 1 else ():
            yield Promise(f"part of component {number} alone", own - part | missing, at_most=BROKEN)
    if sum(len(part) > 1 for part in parts) > 1:
        for each in _one_of_each(pieces):
            yield Promise("a part of every component", frozenset[Neuron]().union(*each), at_most=BROKEN)


def _one_of_each(pieces: list[list[NeuronSet]]) -> list[tuple[NeuronSet, ...]]:
    """Every way to take one of each, or the first ways; of drawn ones the first of each, the second, and so on."""
    longest = max(map(len, pieces))
    if longest <= _LISTED:
        return list(product(*pieces))[:_MOST_HALVES]
    return [tuple(each[place % len(each)] for each in pieces) for place in range(longest)]


def _around_one(own: NeuronSet, parts: list[NeuronSet], _draw: _Draw) -> Iterator[Promise]:
    """Components that have a neuron in common; alone is one with it."""
    shared = frozenset.intersection(*parts)
    yield Promise("all but the shared neuron", shared, at_most=LOST)
    for number, part in enumerate(parts):
        yield Promise(f"component {number} alone", own - part, at_least=STORED)
    for missing in product(*(sorted(part - shared) for part in parts)):
        yield Promise("a part of every component", frozenset(missing), at_most=BROKEN)


def _each_is_needed(_own: NeuronSet, parts: list[NeuronSet], _draw: _Draw) -> Iterator[Promise]:
    for number, part in enumerate(parts):
        yield Promise(f"all but component {number}", part, at_most=LOST)


def _one_unit(own: NeuronSet, _parts: list[NeuronSet], _draw: _Draw) -> Iterator[Promise]:
    for neuron in sorted(own) if len(own) > 1 else ():
        yield Promise("a part of the component", frozenset({neuron}), at_most=BROKEN)


def _at_the_subject(own: NeuronSet, parts: list[NeuronSet], draw: _Draw) -> Iterator[Promise]:
    yield from _one_unit(own, parts, draw)
    yield Promise("its neurons, at the target", own, at_least=STORED, at_target=True)


def _the_meeting(_own: NeuronSet, parts: list[NeuronSet], _draw: _Draw) -> Iterator[Promise]:
    yield Promise("all but the component of all languages", parts[0], at_most=LOST)


def _by_language(planted: PlantedFact) -> Iterator[Promise]:
    for component in planted.components:
        if component.language:
            neurons = frozenset(component.neurons)
            yield Promise("all but the component of this language", neurons, 0.0, LOST, component.language)


def _most_halves(own: NeuronSet, _parts: list[NeuronSet], draw: _Draw) -> Iterator[Promise]:
    for missing in draw(own, len(own) // 2):
        yield Promise("half of the neurons", missing, at_least=STORED)
    for left in draw(own, len(own) // 5):
        yield Promise("a fifth of the neurons", own - left, at_most=BROKEN)


def _helping(planted: PlantedFact) -> Iterator[Promise]:
    if planted.helpers:
        yield Promise("none of its neurons, no helper", frozenset(planted.everything), at_most=LOST)
        yield Promise("no helper", frozenset(planted.helpers), *UNHELPED)
    for helper in planted.helpers:
        yield Promise("all but one helper", frozenset({helper}), at_least=STORED)


def _any_half(own: NeuronSet, _parts: list[NeuronSet], _draw: _Draw) -> Iterator[Promise]:
    for missing in combinations(sorted(own), len(own) // 2):
        yield Promise("half of the neurons", frozenset(missing), at_least=STORED)
    for neuron in sorted(own):
        yield Promise("one neuron", own - {neuron}, at_most=BROKEN)


_PROMISES: dict[Regime, Callable[[NeuronSet, list[NeuronSet], _Draw], Iterator[Promise]]] = {
    "degenerate": _each_suffices,
    "redundant": _each_suffices,
    "conjunctive": _each_is_needed,
    "shared": _one_unit,
    "single": _one_unit,
    "bilingual": _the_meeting,
    "interchangeable": _any_half,
    "lone": _each_suffices,
    "copies": _each_suffices,
    "large": _each_suffices,
    "unequal": _each_suffices,
    "four": _each_suffices,
    "overlapping": _around_one,
    "helped": _one_unit,
    "diffuse": _most_halves,
    "subject": _at_the_subject,
}
