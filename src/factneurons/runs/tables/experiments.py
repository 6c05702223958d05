"""The table of the papers' experiments: one number per row, whatever was measured."""

from __future__ import annotations

from factneurons.runs.schema import NUMBER, TEXT, Column, Table
from factneurons.runs.tables.main import KEY, RELATION

MEASUREMENTS = Table(
    "measurements",
    "One row per number that an experiment of the suite measured.",
    (
        *KEY,
        RELATION,
        Column("subject", TEXT, "who or what the fact is about; intervals resample subjects"),
        Column("experiment", TEXT, "the experiment's id, E1 and so on"),
        Column("condition", TEXT, "what was done: a method, a set of neurons, or random for one"),
        Column("measure", TEXT, "what was measured; docs/experiments.md says what each number means"),
        Column("place", TEXT, "what else tells numbers apart: a layer, the language asked; empty text if nothing"),
        Column("value", NUMBER, "the number"),
    ),
    order=("experiment", "measure", "place", "condition"),
)

TABLES = (MEASUREMENTS,)
