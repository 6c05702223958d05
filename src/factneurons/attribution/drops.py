"""How much of P(answer) is lost when sets of neurons are suppressed, each set measured once.

In: queries, sets of neurons. Out:

    drop(S) = (P - P with S suppressed) / P        P: the mean over the prompts of a fact
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

import numpy as np

from factneurons.facts.types import Fact
from factneurons.models.questions import Asking, asking
from factneurons.models.types import FloatArray, Neuron, Query, check_finite

NeuronSet = frozenset[Neuron]

Suppressed = Callable[[Sequence[Collection[Neuron]]], Asking[FloatArray]]
"""Sets of neurons -> [prompts, sets], P(answer) of a fact's prompts with each set suppressed."""

_NOTHING: NeuronSet = frozenset()

_LEAST = 1e-12


def suppressed_table(
    asked: Sequence[tuple[Fact, Query]], neuron_sets: Sequence[Collection[Neuron]]
) -> Asking[FloatArray]:
    """P(answer) of every query with each set of neurons suppressed, [queries, sets].

    Args:
        asked: queries, each with its fact.
        neuron_sets: the sets.

    Raises:
        BadNumber: a probability that is NaN; names the fact and the prompt.
    """
    table = yield from asking([query for _, query in asked], neuron_sets)
    for (fact, query), row in zip(asked, table, strict=True):
        where = f"fact {fact.id!r}, prompt {query.prompt.text!r}"
        check_finite(row, where, "P(answer) is NaN with neurons suppressed")
    return table


def suppressed_by(fact: Fact, queries: Sequence[Query]) -> Suppressed:
    """P(answer) of a fact's prompts under suppression.

    Raises:
        BadNumber: when it is asked, a probability that is NaN; names the fact and the prompt.
    """
    return lambda neuron_sets: suppressed_table([(fact, query) for query in queries], neuron_sets)


class Drops:
    """Relative losses of P(answer) by suppressed set: first measured, each set once, then looked up.

    Args:
        suppressed: how the model is asked.
    """

    def __init__(self, suppressed: Suppressed) -> None:
        self._suppressed = suppressed
        self._probabilities: dict[NeuronSet, float] = {}

    def measure(self, sets: Iterable[NeuronSet] = ()) -> Asking[None]:
        """Ask the model for these sets, and for nothing suppressed, where it has not been asked yet."""
        unknown = [neurons for neurons in dict.fromkeys((_NOTHING, *sets)) if neurons not in self._probabilities]
        if unknown:
            table = yield from self._suppressed([sorted(neurons) for neurons in unknown])
            answers: FloatArray = np.mean(table, axis=0)
            self._probabilities.update(zip(unknown, answers.tolist(), strict=True))

    @property
    def probability(self) -> float:
        """P(answer) with nothing suppressed; needs a measurement of anything."""
        return self._probabilities[_NOTHING]

    def __call__(self, sets: Sequence[NeuronSet]) -> FloatArray:
        """drop(S) of every set, [sets]; negative where suppression helps. Needs their measurement."""
        probabilities = np.array([self._probabilities[neurons] for neurons in sets], dtype=np.float64)
        return (self.probability - probabilities) / self.probability

    def of(self, neurons: NeuronSet) -> float:
        """drop(S) of one set. Needs its measurement."""
        return float(self([neurons])[0])

    def asked(self, sets: Sequence[NeuronSet]) -> Asking[FloatArray]:
        """Measure sets, and look them up, [sets]."""
        yield from self.measure(sets)
        return self(sets)


def union(sets: Iterable[NeuronSet]) -> NeuronSet:
    """The neurons of several sets together."""
    return _NOTHING.union(*sets)


def all_but_each(components: Sequence[NeuronSet]) -> list[NeuronSet]:
    """D - B_i for every component: what is suppressed when it alone is left."""
    everything = union(components)
    return [everything - component for component in components]


def log_odds_lost(drops: Drops, sets: Sequence[NeuronSet]) -> FloatArray:
    """How much the log-odds of P(answer) fall when each set is suppressed, in nats, [sets]."""
    left = drops.probability * (1 - drops(sets))
    lost: FloatArray = _log_odds(np.array(drops.probability)) - _log_odds(left)
    return lost


def _log_odds(probability: FloatArray) -> FloatArray:
    clipped = np.clip(probability, _LEAST, 1 - _LEAST)
    odds: FloatArray = np.log(clipped) - np.log1p(-clipped)
    return odds
