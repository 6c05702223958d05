"""The table of fact-checking: the scores of statements, read off `Scored`."""

from __future__ import annotations

from factneurons.factcheck.types import Scored
from factneurons.tables import FLAG, INTEGER, NAMED_NUMBERS, NUMBER, TEXT, Column, Table

CHECKS: Table[Scored] = Table(
    "checks",
    "One row per statement and condition: the score. A fact gives two statements in one prompt, a right one and a"
    " wrong one.",
    (
        Column("fact_id", TEXT, "the fact's id", lambda scored: scored.statement.fact_id),
        Column("language", TEXT, "its language; fact_id and language together name one fact of the run",
               lambda scored: scored.statement.language),
        Column("relation", TEXT, "the fact's relation", lambda scored: scored.statement.relation),
        Column("subject", TEXT, "who or what the fact is about; the split is by subject",
               lambda scored: scored.statement.subject),
        Column("split", TEXT, "train: thresholds rest on it; test: it is judged", lambda scored: scored.split,
               choices=("train", "test")),
        Column("known", FLAG,
               "whether the model knows the fact: its answer comes first in one of the prompts that decide it, every"
               " second one",
               lambda scored: scored.known),
        Column("apart", FLAG,
               "whether the statement is in another prompt than these; false: the fact has one prompt, so the design"
               " decides whether asking the model is right; null: in runs of earlier versions, where it may be any",
               lambda scored: scored.apart, optional=True),
        Column("prompt", TEXT, "the prompt, the blank written ___", lambda scored: scored.statement.prompt.text),
        Column("candidate", TEXT, "what stands in the blank", lambda scored: scored.statement.candidate),
        Column("truth", FLAG, "whether that is right", lambda scored: scored.truth),
        Column("condition", TEXT, "what the score comes from, a condition of factcheck",
               lambda scored: scored.condition),
        Column("draw", INTEGER, "0; with random neurons the draw, from 0", lambda scored: scored.draw),
        Column("score", NUMBER,
               "neurons: mean attribution of the relation's neurons, in units of probability; asking: 1 if the"
               " candidate is the top prediction, else 0; probability: P(candidate); true_false: log P(true) - log"
               " P(false), in nats. Higher: rather true; null: the relation has no such neurons, or the model cannot be"
               " asked so",
               lambda scored: scored.score, optional=True),
        Column("speakers", NAMED_NUMBERS,
               "test statements: up to five neurons (layer/index) that say most, each with its signed share of the"
               " absolute values of all; empty elsewhere",
               lambda scored: {f"{neuron.layer}/{neuron.index}": share for neuron, share in scored.top_neurons}),
    ),
    order=("condition", "draw", "truth"),
)  # fmt: skip
