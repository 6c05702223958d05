"""How many of many p-values stay small: as they are, and corrected for their number."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from factneurons.statistics import SIGNIFICANCE, Numbers, benjamini_hochberg, holm


@dataclass(frozen=True, slots=True)
class Significant:
    """The tests of many facts.

    Attributes:
        tested: facts with a p-value.
        nominal: those with p at most `SIGNIFICANCE`.
        corrected: those that stay so after Holm's correction over the tested facts.
        discovered: those that stay so after Benjamini and Hochberg's.
        adjusted: the p-values after Holm's correction, in the order given.
    """

    tested: int
    nominal: int
    corrected: int
    discovered: int
    adjusted: Numbers

    @property
    def by_chance(self) -> float:
        """How many would be `nominal` if no fact had anything."""
        return self.tested * SIGNIFICANCE

    def out_of_reach(self, smallest: float) -> bool:
        """Whether not even the smallest p-value there can be survives Holm's correction."""
        return self.tested * smallest > SIGNIFICANCE

    @property
    def partitions_needed(self) -> int:
        """How many random draws per fact Holm's correction needs at least."""
        return math.ceil(self.tested / SIGNIFICANCE) - 1


def significant(p_values: npt.ArrayLike) -> Significant:
    """Count p-values up to `SIGNIFICANCE`, without and with corrections.

    Raises:
        BadNumber: a NaN, or a value outside 0 to 1.
    """
    adjusted = holm(p_values)
    nominal, corrected, discovered = (
        int((values <= SIGNIFICANCE).sum())
        for values in (np.atleast_1d(p_values), adjusted, benjamini_hochberg(p_values))
    )
    return Significant(len(adjusted), nominal, corrected, discovered, adjusted)
