"""Which neurons work through which others: what becomes of one neuron's value when another is suppressed.

In: a model, queries, neurons. Out: a matrix of shares.

    effect(i, j) = 1 - |value of j with i suppressed| / |value of j|, clipped to 0..1, mean over the queries

0: j does not need i; 1: without i, j is silent. Neurons of one layer never need each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from factneurons.models.model import Model
from factneurons.models.types import FloatArray, Neuron, Query

MediatedEffects = Callable[[Sequence[Neuron]], FloatArray]
"""Neurons -> [n, n], what of column j is mediated by row i."""

_LEAST = 1e-6
"""Of a value below this nothing can be lost."""


def mediated_effects(model: Model, queries: Sequence[Query], neurons: Sequence[Neuron]) -> FloatArray:
    """What of each neuron's value the others mediate, [n, n]; row i is suppressed, column j is read."""
    layers = [neuron.layer for neuron in neurons]
    indices = [neuron.index for neuron in neurons]

    def values() -> FloatArray:
        return np.abs(model.activations(queries)[:, layers, indices]).astype(np.float64)

    whole = values()
    alive = whole > _LEAST
    matrix = np.zeros((len(neurons), len(neurons)))
    for row, neuron in enumerate(neurons):
        with model.suppress([neuron]):
            left = np.divide(values(), whole, out=np.ones_like(whole), where=alive)
        matrix[row] = np.clip(1 - left, 0.0, 1.0).mean(axis=0)
        matrix[row, row] = 0.0
    return matrix
