"""Which neurons work through which others: what becomes of one neuron's value when another is suppressed.

In: a model, queries, neurons. Out: a matrix of shares.

    passed(i, j) = 1 - |value of j with i suppressed| / |value of j|, clipped to 0..1, mean over the queries

0: j does not need i; 1: without i, j is silent. Neurons of one layer never need each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np
import numpy.typing as npt

from factneurons.models.types import Neuron, Query

FloatArray = npt.NDArray[np.float64]

PassedOn = Callable[[Sequence[Neuron]], FloatArray]
"""Neurons -> [n, n], what row i passes on to column j."""

_LEAST = 1e-6
"""Of a value below this nothing can be lost."""


class ActiveModel(Protocol):
    """What of a model is used here."""

    def activations(self, queries: Sequence[Query]) -> npt.NDArray[np.float32]:
        """[queries, layers, width], neuron values at the target position."""

    def suppress(self, neurons: Iterable[tuple[int, int]]) -> AbstractContextManager[None]:
        """Set neurons to 0 for the time of a `with` block."""


def passed_on(model: ActiveModel, queries: Sequence[Query], neurons: Sequence[Neuron]) -> FloatArray:
    """What each neuron passes on to each other one, [n, n]; row i is suppressed, column j is read."""
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
