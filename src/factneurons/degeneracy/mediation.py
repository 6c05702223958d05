"""Which neurons work through which others: what becomes of one neuron's value when another is suppressed.

In: queries, neurons. Out: a matrix of shares.

    effect(i, j) = 1 - |value of j with i suppressed| / |value of j|, clipped to 0..1, mean over the queries

0: j does not need i; 1: without i, j is silent. Neurons of one layer never need each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from factneurons.models.questions import Asking, Reading
from factneurons.models.types import FloatArray, Neuron, Query

MediatedEffects = Callable[[Sequence[Neuron]], Asking[FloatArray]]
"""Neurons -> [n, n], what of column j is mediated by row i."""

_LEAST = 1e-6
"""Of a value below this nothing can be lost."""


def mediated_effects(queries: Sequence[Query], neurons: Sequence[Neuron]) -> Asking[FloatArray]:
    """What of each neuron's value the others mediate, [n, n]; row i is suppressed, column j is read."""
    values = yield Reading(queries, [(), *((neuron,) for neuron in neurons)], neurons)
    whole, left = np.abs(values[:, :1]), np.abs(values[:, 1:])
    shares = np.divide(left, whole, out=np.ones_like(left), where=whole > _LEAST)
    matrix: FloatArray = np.clip(1 - shares, 0.0, 1.0).mean(axis=0)
    np.fill_diagonal(matrix, 0.0)
    return matrix
