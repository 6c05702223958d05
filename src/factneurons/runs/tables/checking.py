"""The tables of fact-checking: degenerate pairs, and the scores of statements."""

from __future__ import annotations

from factneurons.runs.schema import FLAG, INTEGER, NAMED_NUMBERS, NEURONS, NUMBER, TEXT, Column, Table
from factneurons.runs.tables.main import KEY, RELATION

PAIRS = Table(
    "pairs",
    "One row per degenerate pair of a fact: two neurons that can each be spared, but not both.",
    (
        *KEY,
        RELATION,
        Column("neurons", NEURONS, "the pair, the neuron with the higher score first"),
        Column("prompts", INTEGER, "how many of the fact's prompts have the pair"),
        Column("agreed", FLAG, "whether these are enough of its prompts"),
    ),
    order=("prompts",),
)

CHECKS = Table(
    "checks",
    "One row per statement and condition: the score. A fact gives two statements in one prompt, a right one and a"
    " wrong one.",
    (
        *KEY,
        RELATION,
        Column("subject", TEXT, "who or what the fact is about; the split is by subject"),
        Column("split", TEXT, "train: thresholds rest on it; test: it is judged", choices=("train", "test")),
        Column("known", FLAG, "whether the model knows the fact: its answer comes first in one of its prompts"),
        Column("prompt", TEXT, "the prompt, the blank written ___"),
        Column("candidate", TEXT, "what stands in the blank"),
        Column("truth", FLAG, "whether that is right"),
        Column("condition", TEXT, "what the score comes from, a condition of factcheck"),
        Column("draw", INTEGER, "0; with random neurons the draw, from 0"),
        Column(
            "score",
            NUMBER,
            "neurons: mean attribution of the relation's neurons, in units of probability; asking: 1 if the candidate"
            " is the top prediction, else 0; probability: P(candidate); true_false: log P(true) - log P(false), in"
            " nats. Higher: rather true; null: the relation has no such neurons, or the model cannot be asked so",
            optional=True,
        ),
        Column(
            "speakers",
            NAMED_NUMBERS,
            "test statements: up to five neurons (layer/index) that say most, each with its signed share of the"
            " absolute values of all; empty elsewhere",
        ),
    ),
    order=("condition", "draw", "truth"),
)

TABLES = (PAIRS, CHECKS)
