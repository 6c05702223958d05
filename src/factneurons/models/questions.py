"""What searches want to know of a model, answered for many of them side by side.

A search is a generator: it yields a question, is sent the answer, and returns what it found. Searches do not know of
each other, so they can be advanced one by one or together; together their questions fill the model's passes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from factneurons.models.types import FloatArray, Neuron, Query

_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """P(answer) of queries, each under several changes of neurons; the answer is [queries, sets].

    Attributes:
        queries: what is asked.
        neuron_sets: the sets, one change each; an empty one leaves the model as it is.
        factors: what the values at the target positions are multiplied by, one for each set; None: 0 for all.
    """

    queries: Sequence[Query]
    neuron_sets: Sequence[Collection[tuple[int, int]]]
    factors: Sequence[float] | None = None

    @property
    def all_factors(self) -> Sequence[float]:
        """One factor for each set."""
        return [0.0] * len(self.neuron_sets) if self.factors is None else self.factors


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """Values of neurons with sets of others suppressed; the answer is [queries, sets, neurons].

    Attributes:
        queries: what is asked; of several target positions the mean is taken.
        neuron_sets: the sets that are suppressed.
        neurons: whose values are read.
    """

    queries: Sequence[Query]
    neuron_sets: Sequence[Collection[tuple[int, int]]]
    neurons: Sequence[Neuron]


Asking = Generator[Question | Reading, FloatArray, _Found]
"""A search: yields questions, is sent their answers, returns what it found."""


def asking(queries: Sequence[Query], neuron_sets: Sequence[Collection[tuple[int, int]]]) -> Asking[FloatArray]:
    """One question, as a search: P(answer) of queries with sets of neurons suppressed, [queries, sets]."""
    return (yield Question(queries, neuron_sets))


def knowing(found: _Found) -> Asking[_Found]:
    """What needs no question, as a search."""
    return found
    yield


def in_turn(searches: Iterable[Asking[_Found]]) -> Asking[list[_Found]]:
    """Several searches one after the other, as one."""
    found = []
    for search in searches:
        found.append((yield from search))
    return found


def answered(search: Asking[_Found], answer: Callable[[Question | Reading], FloatArray] | None = None) -> _Found:
    """What one search finds when its questions are answered one by one: the slow way, by anybody.

    Args:
        search: the search.
        answer: from a question to its answer; None: of a search that asks nothing.
    """
    try:
        question = next(search)
        while True:
            assert answer is not None, "a search that was to ask nothing"
            question = search.send(answer(question))
    except StopIteration as end:
        found: _Found = end.value
        return found
