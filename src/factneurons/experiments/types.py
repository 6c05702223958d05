"""What an experiment measures, as plain values."""

from __future__ import annotations

from dataclasses import dataclass

from factneurons.facts.types import Fact


@dataclass(frozen=True, slots=True)
class Measured:
    """One number of the fact that is worked on, asked in its own language.

    Attributes:
        condition: what was done, for instance "amig" or "random for amig".
        measure: what was measured, a name of the experiment's `measures`.
        value: the number.
        place: what else tells numbers apart: a layer, the language of the neurons, a kind of text; "" if nothing.
    """

    condition: str
    measure: str
    value: float
    place: str = ""


@dataclass(frozen=True, slots=True)
class MeasuredFact:
    """The numbers that one experiment, by its id, measured on a fact."""

    experiment: str
    fact: Fact
    numbers: tuple[Measured, ...]
