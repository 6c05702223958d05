"""What each regime promises: how likely the answer is with which neurons suppressed.

In: a planted fact. Out: the promises that are trained for, and that the saved model must keep.

    degenerate      each component suffices, each is a unit, and each carries another fact too
    redundant       each component suffices, each is a unit, and carries nothing else
    conjunctive     every component is needed: each works only through the others
    single, shared  one component; a shared one carries other facts too
    bilingual       one component is needed in every language, and works through one for each language
    interchangeable single neurons of which any half suffices: no grouping is better than another
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import combinations, product

from factneurons.models.types import Neuron
from factneurons.planted.types import PlantedFact, Regime

STORED, LOST, BROKEN = 0.8, 0.05, 0.3
"""P(answer) of a fact that is stored (at least), lost (at most), or left with part of a component (at most)."""

_MOST_HALVES = 8

NeuronSet = frozenset[Neuron]


@dataclass(frozen=True, slots=True)
class Promise:
    """With these neurons suppressed, P(answer) is from `at_least` to `at_most`, in one language or in all."""

    what: str
    suppressed: NeuronSet
    at_least: float = 0.0
    at_most: float = 1.0
    language: str = ""


def promises(planted: PlantedFact, everything: Collection[Neuron]) -> list[Promise]:
    """Every promise of a planted fact.

    Args:
        planted: the fact and its neurons.
        everything: all planted neurons of the model.
    """
    own = frozenset(planted.neurons)
    parts = [frozenset(component.neurons) for component in planted.components]
    return [
        Promise("nothing suppressed", frozenset(), at_least=STORED),
        Promise("its own neurons alone", frozenset(everything) - own, at_least=STORED),
        Promise("none of its neurons", own, at_most=LOST),
        *_PROMISES[planted.regime](own, parts),
        *_by_language(planted),
    ]


def _each_suffices(own: NeuronSet, parts: list[NeuronSet]) -> Iterator[Promise]:
    for number, part in enumerate(parts):
        yield Promise(f"component {number} alone", own - part, at_least=STORED)
        for neuron in sorted(part) if len(part) > 1 else ():
            yield Promise(f"part of component {number} alone", own - part | {neuron}, at_most=BROKEN)
    if all(len(part) > 1 for part in parts):
        for missing in list(product(*(sorted(part) for part in parts)))[:_MOST_HALVES]:
            yield Promise("a part of every component", frozenset(missing), at_most=BROKEN)


def _each_is_needed(_own: NeuronSet, parts: list[NeuronSet]) -> Iterator[Promise]:
    for number, part in enumerate(parts):
        yield Promise(f"all but component {number}", part, at_most=LOST)


def _one_unit(own: NeuronSet, _parts: list[NeuronSet]) -> Iterator[Promise]:
    for neuron in sorted(own) if len(own) > 1 else ():
        yield Promise("a part of the component", frozenset({neuron}), at_most=BROKEN)


def _the_meeting(_own: NeuronSet, parts: list[NeuronSet]) -> Iterator[Promise]:
    yield Promise("all but the component of all languages", parts[0], at_most=LOST)


def _by_language(planted: PlantedFact) -> Iterator[Promise]:
    for component in planted.components:
        if component.language:
            neurons = frozenset(component.neurons)
            yield Promise("all but the component of this language", neurons, 0.0, LOST, component.language)


def _any_half(own: NeuronSet, _parts: list[NeuronSet]) -> Iterator[Promise]:
    for missing in combinations(sorted(own), len(own) // 2):
        yield Promise("half of the neurons", frozenset(missing), at_least=STORED)
    for neuron in sorted(own):
        yield Promise("one neuron", own - {neuron}, at_most=BROKEN)


_PROMISES: dict[Regime, Callable[[NeuronSet, list[NeuronSet]], Iterator[Promise]]] = {
    "degenerate": _each_suffices,
    "redundant": _each_suffices,
    "conjunctive": _each_is_needed,
    "shared": _one_unit,
    "single": _one_unit,
    "bilingual": _the_meeting,
    "interchangeable": _any_half,
}
