"""The tables of `languages`: facts joined over languages, their neurons, and what changing them does in each."""

from __future__ import annotations

from factneurons.runs.schema import FLAG, INTEGER, NAMED_NUMBERS, NEURONS, NUMBER, TEXT, TEXTS, Column, Table
from factneurons.runs.tables.main import KEY, RELATION

ALL = "all"
"""Stands in the column `language` where a row is about a fact in all languages together."""

_KEY_OF_ALL = (KEY[0], Column("language", TEXT, "all: the row is about the fact in all of its languages together"))

LANGUAGES = Table(
    "languages",
    "One row per fact that was located in every language: what its languages share.",
    (
        *_KEY_OF_ALL,
        RELATION,
        Column(
            "rule",
            TEXT,
            "what makes a neuron language-independent",
            choices=("intersection", "at_least", "union", "agnostic"),
        ),
        Column("needed", INTEGER, "in how many languages a neuron must be found; 0: the rule is not about sets"),
        Column("sizes", NAMED_NUMBERS, "language -> knowledge neurons in it, after its cut"),
        Column("cuts", NAMED_NUMBERS, "language -> share of the fact's largest score asked of a neuron; 0: as located"),
        Column("neurons", NEURONS, "the language-independent neurons, best first"),
        Column("size", INTEGER, "how many there are"),
        Column(
            "jaccard",
            NUMBER,
            "neurons in both languages / neurons in either, mean over pairs of languages, 0 to 1; null: no neurons",
            optional=True,
        ),
        Column(
            "expected",
            NUMBER,
            "how many there would be on average if every language had random neurons of the same layers; for agnostic: "
            "if every language's scores were dealt out anew within each layer",
        ),
        Column("p_value", NUMBER, "share of such random sets that share as much or more"),
        Column("exact", FLAG, "whether the p-value is computed; else it is estimated from random draws"),
        Column("reason", TEXT, "why there are none; empty text where there are some"),
    ),
    order=(),
)

LANGUAGE_NEURONS = Table(
    "language_neurons",
    "One row per fact and neuron that any of its languages has: which languages have it.",
    (
        *_KEY_OF_ALL,
        Column("layer", INTEGER, "the neuron's layer, from 0"),
        Column("index", INTEGER, "its place among the inputs of the layer's down-projection, from 0"),
        Column("languages", TEXTS, "the languages in which it is a knowledge neuron of the fact"),
        Column("shared", FLAG, "whether it is language-independent by the rule"),
    ),
    order=("layer", "index"),
)

LANGUAGE_EFFECTS = Table(
    "language_effects",
    "One row per fact, language asked, set of neurons and action: the probability before and after.",
    (
        KEY[0],
        Column("language", TEXT, "the language in which the fact was asked"),
        RELATION,
        Column(
            "neurons",
            TEXT,
            "shared: the language-independent ones; language: those of one language; random: matched to them",
            choices=("shared", "language", "random for shared", "random for language"),
        ),
        Column("neurons_of", TEXT, "language: whose neurons were changed; empty text for shared ones"),
        Column("draw", INTEGER, "0: the found set; 1, 2, ...: the random draws"),
        Column("action", TEXT, "suppress: values set to 0; enhance: values doubled", choices=("suppress", "enhance")),
        Column(
            "prompts",
            TEXT,
            "related: prompts of this fact; unrelated: of a fact of another relation in the same language",
            choices=("related", "unrelated"),
        ),
        Column("other_fact_id", TEXT, "unrelated: the id of the fact that was asked; null: related", optional=True),
        Column("size", INTEGER, "how many neurons were changed"),
        Column("probability_before", NUMBER, "P(answer) before, mean over the prompts, 0 to 1"),
        Column("probability_after", NUMBER, "P(answer) with the neurons changed, mean over the prompts, 0 to 1"),
        Column("prompt_count", INTEGER, "how many prompts were asked"),
    ),
    order=("neurons", "neurons_of", "draw", "action", "prompts", "other_fact_id"),
)

TABLES = (LANGUAGES, LANGUAGE_NEURONS, LANGUAGE_EFFECTS)
