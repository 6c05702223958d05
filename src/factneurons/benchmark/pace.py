"""How much is done of a benchmark, and how long the rest will take: as long on average as what was done."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import fmean

_MINUTE = 60.0


@dataclass(slots=True)
class Pace:
    """What is left to do, and the seconds that each step took.

    Attributes:
        left: step ("planting", "judging") -> how many are left.
        spent: step -> seconds of each that was done.
    """

    left: dict[str, int]
    spent: dict[str, list[float]] = field(default_factory=dict)

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Measure one step; one that fails is not counted."""
        start = time.monotonic()
        yield
        self.spent.setdefault(step, []).append(time.monotonic() - start)
        self.left[step] -= 1

    @property
    def seconds_left(self) -> float | None:
        """How long the rest will take; None where a step is left that was never measured."""
        steps = [step for step, count in self.left.items() if count]
        if any(step not in self.spent for step in steps):
            return None
        return sum(self.left[step] * fmean(self.spent[step]) for step in steps)

    def __str__(self) -> str:
        """In words, to the minute: "about 12 min left"; "" where it cannot be told."""
        seconds = self.seconds_left
        if seconds is None:
            return ""
        return f"about {seconds / _MINUTE:.0f} min left" if seconds >= _MINUTE else "less than a minute left"
