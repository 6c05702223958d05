"""What experiments cost, for the estimates of a plan: in the time of locating a fact, and in copies of the weights.

Made by `python studies/suite_costs.py` (pocket-gpt2, 12 facts in two languages, the default methods and settings).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cost:
    """What an experiment costs.

    Attributes:
        fixed: for every fact, in the time that locating one takes; None: not measured.
        per_draw: the same again for every draw of random neurons.
        copies: numbers in float32 held beside each weight of the model where all of it is trained: what it was, the
            gradient of a batch and their sum, and the optimiser's two moments.
    """

    fixed: float | None = None
    per_draw: float = 0.0
    copies: int = 0

    def of_fact(self, draws: int) -> float | None:
        """With so many draws, in the time of locating a fact; None where nobody has measured it."""
        return None if self.fixed is None else self.fixed + draws * self.per_draw


COSTS: dict[str, Cost] = {
    "E1": Cost(2.2, 0.04),
    "E2": Cost(1.7, 0.18),
    "E3": Cost(2.4, 0.00),
    "E4": Cost(2.3, 0.00),
    "E5": Cost(8.5, 0.01),
    "E6": Cost(6.4, 0.26),
    "E7": Cost(10.9, 4.11),
    "E8": Cost(1.7, 0.02),
    "E9": Cost(1.8, 0.00, copies=5),
    "E10": Cost(4.5, 2.00, copies=5),
    "E11": Cost(1.8, 0.00),
    "E12": Cost(8.8, 2.94),
    "E13": Cost(8.0, 3.66),
    "E14": Cost(3.0, 0.17),
}
"""Experiment's id -> what it costs; the time of those without a number has not been measured yet."""
