"""The table of the papers' experiments: one number per row, whatever was measured, read off `MeasuredFact`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from factneurons.experiments.types import Measured, MeasuredFact
from factneurons.facts.types import Fact
from factneurons.tables import KEY, NUMBER, RELATION, TEXT, Column, Table


class _Number(NamedTuple):
    experiment: str
    fact: Fact
    measured: Measured


def _numbers(found: MeasuredFact) -> Iterator[_Number]:
    return (_Number(found.experiment, found.fact, measured) for measured in found.numbers)


MEASUREMENTS: Table[_Number] = Table(
    "measurements",
    "One row per number that an experiment of the suite measured.",
    (
        *KEY,
        RELATION,
        Column("subject", TEXT, "who or what the fact is about; intervals resample subjects",
               lambda each: each.fact.subject),
        Column("experiment", TEXT, "the experiment's id, E1 and so on", lambda each: each.experiment),
        Column("condition", TEXT, "what was done: a method, a set of neurons, or random for one",
               lambda each: each.measured.condition),
        Column("measure", TEXT, "what was measured; docs/experiments.md says what each number means",
               lambda each: each.measured.measure),
        Column("place", TEXT, "what else tells numbers apart: a layer, the language asked; empty text if nothing",
               lambda each: each.measured.place),
        Column("value", NUMBER, "the number", lambda each: each.measured.value),
    ),
    order=("experiment", "measure", "place", "condition"),
    records=_numbers,
)  # fmt: skip
