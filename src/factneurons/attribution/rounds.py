"""Location in rounds: what is found is suppressed, and the next round looks for what stands in for it.

In: a model and the queries of one fact. Out: its neurons, and scores of all neurons.

A neuron with a backup does not matter while the backup is there, and a path from zero to its activation shows it only
in part. With the neurons of the first round suppressed, the fact rests on the backup alone, and attribution sees that.
Rounds end when the answer is lost, when nothing new is found, or after the last round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from factneurons.attribution.methods import attribute_all
from factneurons.attribution.selection import SelectionSettings, choose
from factneurons.attribution.settings import AttributionSettings
from factneurons.attribution.types import FloatArray
from factneurons.models.model import Model
from factneurons.models.types import Neuron, Query

ROUNDS = 4
"""How many rounds at most."""

LOST = 0.9
"""The answer is lost when this share of P(answer) is."""


@dataclass(frozen=True, slots=True)
class Rounds:
    """What location in rounds found.

    Attributes:
        neurons: the neurons of each round.
        scores: [prompts, layers, width], the scores of each neuron as a share of the largest in the round in which
            it was found, or of the first round.
    """

    neurons: tuple[tuple[Neuron, ...], ...]
    scores: FloatArray


def attribute_in_rounds(
    model: Model,
    queries: Sequence[Query],
    settings: AttributionSettings,
    threshold: float,
    selection: SelectionSettings | None = None,
) -> Rounds:
    """Find a fact's neurons round by round.

    Args:
        model: a loaded model.
        queries: the fact's queries.
        settings: how to attribute.
        threshold: the selector's value, in every round.
        selection: how to choose neurons; None: the defaults.

    Raises:
        BadNumber: scores that are NaN or infinite.
    """
    chosen: list[tuple[Neuron, ...]] = []
    found: set[Neuron] = set()
    whole = float(model.probabilities(queries).mean())
    scores = np.zeros((len(queries), model.layer_count, model.width))
    for _ in range(ROUNDS):
        with model.suppress(found):
            attributions = attribute_all(model, queries, settings)
            for row, attribution in enumerate(attributions):
                scores[row] = np.maximum(scores[row], _shares(attribution.scores, found))
        new = [n for n in choose(attributions, selection or SelectionSettings(), threshold).neurons if n not in found]
        if not new:
            break
        chosen.append(tuple(new))
        found.update(new)
        with model.suppress(found):
            left = float(model.probabilities(queries).mean())
        if left <= (1 - LOST) * whole:
            break
    return Rounds(tuple(chosen), scores)


def _shares(scores: FloatArray, suppressed: set[Neuron]) -> FloatArray:
    """Scores as shares of the largest; 0 for what is suppressed, whose value is no longer its own."""
    values = scores.astype(np.float64)
    for neuron in suppressed:
        values[neuron.layer, neuron.index] = 0.0
    largest = float(values.max())
    return values / largest if largest > 0 else np.zeros_like(values)
