"""What a method of attribution gives for a batch of items."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from factneurons.attribution.settings import AttributionSettings
from factneurons.attribution.types import AnyFloats, AnyInts
from factneurons.models.model import Model
from factneurons.models.passes.capture import Capture, Item


@dataclass(frozen=True, slots=True)
class Scores:
    """What a method gives for the items of a batch.

    Attributes:
        scores: per layer [I, width].
        start: [layers, I], F at the baseline, mean over paths.
        error: [layers, I], the largest completeness error over paths; NaN without a promise of completeness.
        ratio: [layers, I], the same relative to |F(a) - F(b)|.
        points: [layers, I], path points per path.
        change: [I], the largest |F(a) - F(b)| over layers and paths.
    """

    scores: list[Tensor]
    start: AnyFloats
    error: AnyFloats
    ratio: AnyFloats
    points: AnyInts
    change: AnyFloats

    @classmethod
    def without_path(cls, scores: list[Tensor], points: int) -> Scores:
        """Those of a method that promises no completeness, and asks the model at so many points."""
        shape = (len(scores), len(scores[0]))
        unknown = np.full(shape, np.nan)
        return cls(scores, unknown, unknown, unknown, np.full(shape, points), unknown[0])


Scorer = Callable[[Model, Capture, Sequence[Item], AttributionSettings], Scores]
