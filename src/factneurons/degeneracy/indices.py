"""What measured losses come to: the degeneracy index, and the mean over subsets of groups. Needs no model."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from factneurons.models.types import FloatArray


def degeneracy_index(drop_all: float, left_alone: FloatArray) -> float:
    """1 - mean of drop(D - B_i) / drop(D), clipped to 0..1.

    1: any one component suffices; 0: all are needed; NaN: suppressing all of them loses nothing.
    """
    if not drop_all > 0:
        return math.nan
    return float(np.clip(1.0 - left_alone.mean() / drop_all, 0.0, 1.0))


def mean_of_proper_subsets(drops: Sequence[float]) -> float:
    """The mean over all proper subsets of n groups from the mean drops of k = 1 .. n groups, [n]."""
    count = len(drops)
    weights = [math.comb(count, size) for size in range(1, count)]
    return sum(weight * drop for weight, drop in zip(weights, drops[:-1], strict=True)) / sum(weights)
