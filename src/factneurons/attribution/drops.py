"""How much of P(answer) is lost when sets of neurons are suppressed, each set measured once.

In: a model, queries, sets of neurons. Out:

    drop(S) = (P - P with S suppressed) / P        P: the mean over the prompts of a fact
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

import numpy as np

from factneurons.facts.types import Fact
from factneurons.models.model import Model
from factneurons.models.types import FloatArray, Neuron, Query, check_finite

NeuronSet = frozenset[Neuron]

Suppressed = Callable[[Sequence[Collection[Neuron]]], FloatArray]
"""Sets of neurons -> [prompts, sets], P(answer) of a fact's prompts with each set suppressed."""

SETS_PER_CALL = 512
"""How many sets the model is asked for at once."""

_NOTHING: NeuronSet = frozenset()

_LEAST = 1e-12


def suppressed_table(
    model: Model, asked: Sequence[tuple[Fact, Query]], neuron_sets: Sequence[Collection[Neuron]]
) -> FloatArray:
    """P(answer) of every query with each set of neurons suppressed, [queries, sets].

    Args:
        model: the model.
        asked: queries, each with its fact.
        neuron_sets: the sets.

    Raises:
        BadNumber: a probability that is NaN; names the fact and the prompt.
    """
    queries = [query for _, query in asked]
    starts = range(0, len(neuron_sets), SETS_PER_CALL)
    parts = [model.probabilities_with(queries, neuron_sets[start : start + SETS_PER_CALL]) for start in starts]
    table: FloatArray = np.concatenate(parts, axis=1)
    for (fact, query), row in zip(asked, table, strict=True):
        where = f"fact {fact.id!r}, prompt {query.prompt.text!r}"
        check_finite(row, where, "P(answer) is NaN with neurons suppressed")
    return table


def suppressed_by(model: Model, fact: Fact, queries: Sequence[Query]) -> Suppressed:
    """P(answer) of a fact's prompts under suppression.

    Raises:
        BadNumber: when it is called, a probability that is NaN; names the fact and the prompt.
    """

    def ask(neuron_sets: Sequence[Collection[Neuron]]) -> FloatArray:
        rows = [suppressed_table(model, [(fact, query)], neuron_sets)[0] for query in queries]
        return np.array(rows, dtype=np.float64).reshape(len(queries), len(neuron_sets))

    return ask


class Drops:
    """Relative losses of P(answer) by suppressed set; the model is asked when a loss is, for each set once.

    Args:
        suppressed: how the model is asked.
        first: sets to ask for at once, together with nothing suppressed.
    """

    def __init__(self, suppressed: Suppressed, first: Iterable[NeuronSet] = ()) -> None:
        self._suppressed = suppressed
        self._probabilities: dict[NeuronSet, float] = {}
        at_once = tuple(first)
        if at_once:
            self.measure(at_once)

    @property
    def probability(self) -> float:
        """P(answer) with nothing suppressed."""
        self.measure(())
        return self._probabilities[_NOTHING]

    def __call__(self, sets: Sequence[NeuronSet]) -> FloatArray:
        """drop(S) of every set, [sets]; negative where suppression helps."""
        self.measure(sets)
        probabilities = np.array([self._probabilities[neurons] for neurons in sets], dtype=np.float64)
        return (self.probability - probabilities) / self.probability

    def of(self, neurons: NeuronSet) -> float:
        """drop(S) of one set."""
        return float(self([neurons])[0])

    def measure(self, sets: Iterable[NeuronSet]) -> None:
        """Ask the model for these sets, and for nothing suppressed, where it has not been asked yet."""
        wanted = dict.fromkeys((_NOTHING, *sets))
        unknown = [neurons for neurons in wanted if neurons not in self._probabilities]
        for first in range(0, len(unknown), SETS_PER_CALL):
            asked = unknown[first : first + SETS_PER_CALL]
            answers: FloatArray = np.mean(self._suppressed([sorted(neurons) for neurons in asked]), axis=0)
            self._probabilities.update(zip(asked, answers.tolist(), strict=True))


def union(sets: Iterable[NeuronSet]) -> NeuronSet:
    """The neurons of several sets together."""
    return _NOTHING.union(*sets)


def without_others(components: Sequence[NeuronSet], drops: Drops) -> FloatArray:
    """drop(D - B_i) for every component: [components], what is lost when it alone is left."""
    everything = union(components)
    return drops([everything - component for component in components])


def log_odds_lost(drops: Drops, sets: Sequence[NeuronSet]) -> FloatArray:
    """How much the log-odds of P(answer) fall when each set is suppressed, in nats, [sets]."""
    left = drops.probability * (1 - drops(sets))
    lost: FloatArray = _log_odds(np.array(drops.probability)) - _log_odds(left)
    return lost


def _log_odds(probability: FloatArray) -> FloatArray:
    clipped = np.clip(probability, _LEAST, 1 - _LEAST)
    odds: FloatArray = np.log(clipped) - np.log1p(-clipped)
    return odds
