"""Location in rounds: what is found is suppressed, and the next round looks for what stands in for it.

In: a model and the queries of one fact. Out: its neurons round by round, and scores of all neurons.

A neuron with a backup does not matter while the backup is there, and a path from zero to its activation shows it only
in part. With the neurons of the first round suppressed, the fact rests on the backup alone, and attribution sees that.
Rounds end when the answer is lost, when nothing new is found, or after the last round.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from factneurons.attribution.methods import attribute_all, method_named
from factneurons.attribution.selection import Chosen, choose
from factneurons.attribution.settings import AttributionSettings, SelectionSettings
from factneurons.attribution.types import AnyFloats, Attribution
from factneurons.models.model import Model
from factneurons.models.types import Neuron, Query

LOST = 0.9
"""The answer is lost when this share of P(answer) is."""


@dataclass(frozen=True, slots=True)
class Round:
    """One round.

    Attributes:
        attributions: of every query, with what was found before suppressed.
        chosen: what is new in it, best first.
        suppressed: what was found before.
    """

    attributions: Sequence[Attribution]
    chosen: Chosen
    suppressed: frozenset[Neuron]


def search_in_rounds(
    model: Model,
    queries: Sequence[Query],
    settings: AttributionSettings,
    threshold: float,
    selection: SelectionSettings,
    *,
    first: Sequence[Attribution] | None = None,
    negatives: Sequence[Attribution] = (),
) -> Iterator[Round]:
    """Find a fact's neurons round by round, as often as the selection says, or else the method.

    Args:
        model: a loaded model.
        queries: the fact's queries.
        settings: how to attribute.
        threshold: the selector's value, in every round.
        selection: how to choose neurons.
        first: the attributions of the first round, where they are there already.
        negatives: see `selection.choose`.

    Raises:
        BadNumber: scores that are NaN or infinite.
    """
    found: frozenset[Neuron] = frozenset()
    last = selection.rounds or method_named(settings.method).rounds
    for number in range(1, last + 1):
        with model.suppress(found):
            attributions = first if first is not None and not found else attribute_all(model, queries, settings)
        new = _without(choose(attributions, selection, threshold, negatives), found)
        yield Round(attributions, new, found)
        found = found.union(new.neurons)
        if number == last or not new.neurons:
            return
        whole, left = model.probabilities_with(queries, [(), found]).mean(0)
        if left <= (1 - LOST) * whole:
            return


def scores_in_rounds(rounds: Sequence[Round]) -> AnyFloats:
    """Scores as shares of the largest in their round, the best of all rounds, [prompts, layers, width].

    What is suppressed in a round has no score in it.
    """
    best = np.zeros((len(rounds[0].attributions), *rounds[0].attributions[0].scores.shape))
    for each in rounds:
        for row, attribution in enumerate(each.attributions):
            values = attribution.scores.astype(np.float64)
            for neuron in each.suppressed:
                values[neuron.layer, neuron.index] = 0.0
            largest = float(values.max())
            if largest > 0:
                best[row] = np.maximum(best[row], values / largest)
    return best


def _without(chosen: Chosen, known: frozenset[Neuron]) -> Chosen:
    kept = [place for place, neuron in enumerate(chosen.neurons) if neuron not in known]
    return Chosen(
        neurons=tuple(chosen.neurons[place] for place in kept),
        scores=tuple(chosen.scores[place] for place in kept),
        shares=tuple(chosen.shares[place] for place in kept),
    )
