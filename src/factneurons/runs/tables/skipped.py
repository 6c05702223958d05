"""The table of what was left out, by any stage."""

from __future__ import annotations

from factneurons.runs.schema import TEXT, Column, Table

SKIPPED = Table(
    "skipped",
    "One row per fact, prompt or record that was left out.",
    (
        Column("fact_id", TEXT, "the fact's id; empty text for a record that never became a fact"),
        Column("language", TEXT, "its language; empty text likewise"),
        Column("source", TEXT, "where it was read, FILE:LINE"),
        Column("prompt", TEXT, "the prompt that was left out, or whose fault it is; empty text: no single prompt"),
        Column("stage", TEXT, "the stage that left it out"),
        Column("reason", TEXT, "a short fixed code, for counting"),
        Column("detail", TEXT, "what is wrong, in words"),
    ),
    order=("stage", "source", "prompt", "reason", "detail"),
)

TABLES = (SKIPPED,)
