"""How many of many p-values stay small: as they are, and corrected for their number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from factneurons.statistics import SIGNIFICANCE, benjamini_hochberg, holm


@dataclass(frozen=True, slots=True)
class Significant:
    """The tests of many facts.

    Attributes:
        tested: facts with a p-value.
        nominal: those with p at most `SIGNIFICANCE`.
        corrected: those that stay so after Holm's correction over the tested facts.
        discovered: those that stay so after Benjamini and Hochberg's.
    """

    tested: int
    nominal: int
    corrected: int
    discovered: int

    @property
    def by_chance(self) -> float:
        """How many would be `nominal` if no fact had anything."""
        return self.tested * SIGNIFICANCE


def significant(p_values: npt.ArrayLike) -> Significant:
    """Count p-values up to `SIGNIFICANCE`, without and with corrections.

    Raises:
        BadNumber: a NaN, or a value outside 0 to 1.
    """
    corrections = (np.atleast_1d(p_values), holm(p_values), benjamini_hochberg(p_values))
    return Significant(len(corrections[0]), *(int((values <= SIGNIFICANCE).sum()) for values in corrections))
