"""The tables of attribution: facts, their knowledge neurons, how well the scores add up, and what changing them does.

Facts, neurons and completeness are read off `Located`, interventions off `Measurement`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from factneurons.attribution.types import Completeness, KnowledgeNeurons, Located, Measurement
from factneurons.facts.types import Fact
from factneurons.models.types import Neuron, Written
from factneurons.tables import FLAG, INTEGER, KEY, NUMBER, RELATION, TEXT, TEXTS, Column, Table


class _Known(NamedTuple):
    known: KnowledgeNeurons
    located: Located

    @property
    def fact(self) -> Fact:
        return self.known.fact


class _Scored(NamedTuple):
    fact: Fact
    neuron: Neuron
    score: float
    share: float
    round: int
    written: Written | None
    position: int


class _Layer(NamedTuple):
    fact: Fact
    completeness: Completeness
    layer: int


def _known(located: Located) -> Iterator[_Known]:
    if located.known is not None:
        yield _Known(located.known, located)


def _scored(located: Located) -> Iterator[_Scored]:
    for known, _ in _known(located):
        written = located.written or (None,) * len(known.neurons)
        found = zip(known.neurons, known.scores, known.shares, known.round_of_each, written, strict=True)
        for position, values in enumerate(found, start=1):
            yield _Scored(known.fact, *values, position)


def _layers(located: Located) -> Iterator[_Layer]:
    for completeness in located.completeness:
        for layer in range(len(completeness.points)):
            yield _Layer(located.fact, completeness, layer)


FACTS: Table[_Known] = Table(
    "facts",
    "One row per fact that was asked.",
    (
        *KEY,
        Column("key", TEXT, "hash of the fact's content (id, answer, prompts and so on); a resumed run skips by it",
               lambda each: each.fact.key),
        RELATION,
        Column("subject", TEXT, "who or what the fact is about", lambda each: each.fact.subject),
        Column("answer", TEXT, "the gold answer", lambda each: each.fact.answer),
        Column("date", TEXT, "the year or date the fact holds for; null where it does not change",
               lambda each: each.fact.date, optional=True),
        Column("prompts", TEXTS, "all prompts of the fact, the blank written ___",
               lambda each: [prompt.text for prompt in each.fact.prompts]),
        Column("prompts_asked", INTEGER, "how many of them this model could be asked",
               lambda each: len(each.known.queries)),
        Column("answer_tokens", TEXTS, "the answer as this model's tokens", lambda each: each.located.answer_tokens),
        Column("probability", NUMBER, "P(answer), untouched model, mean over the asked prompts, 0 to 1",
               lambda each: each.known.probability),
        Column("rank", INTEGER, "the answer's best rank in the whole vocabulary over the asked prompts; 1: top",
               lambda each: each.known.rank),
        Column("known", FLAG, "whether the rank is 1", lambda each: each.known.rank == 1),
        Column("neurons", INTEGER, "how many knowledge neurons were found", lambda each: len(each.known.neurons)),
        Column("refined", FLAG, "whether several prompts had to agree on the neurons", lambda each: each.known.refined),
        Column("threshold", NUMBER, "the share of the largest score that a neuron had to reach, 0 to 1",
               lambda each: each.known.threshold),
        Column("method", TEXT, "the attribution method", lambda each: each.known.method),
        Column("source", TEXT, "where the fact was read, FILE:LINE", lambda each: each.fact.source),
        Column("seconds", NUMBER, "time spent on the fact (its share of the batch), in seconds",
               lambda each: each.located.seconds),
    ),
    records=_known,
)  # fmt: skip

KNOWLEDGE_NEURONS: Table[_Scored] = Table(
    "neurons",
    "One row per knowledge neuron of a fact.",
    (
        *KEY,
        RELATION,
        Column("layer", INTEGER, "the neuron's layer, from 0", lambda each: each.neuron.layer),
        Column("index", INTEGER, "its place among the inputs of the layer's down-projection, from 0",
               lambda each: each.neuron.index),
        Column("score", NUMBER, "its score, mean over the prompts that found it, in units of probability",
               lambda each: each.score),
        Column("share", NUMBER, "the share of the asked prompts that found it, 0 to 1", lambda each: each.share),
        Column("round", INTEGER, "the round of the search that found it, from 1", lambda each: each.round),
        Column("position", INTEGER, "its place among the fact's neurons, by round and then by score; 1: the first",
               lambda each: each.position),
        Column("promotes", TEXTS,
               "the tokens that a positive value of it promotes most, read off its out-weights, the highest first; null"
               " in an encoder that feeds a decoder, and in runs of older versions",
               lambda each: each.written and each.written.promotes, optional=True),
        Column("suppresses", TEXTS, "the tokens that it suppresses most, likewise; null there too",
               lambda each: each.written and each.written.suppresses, optional=True),
    ),
    order=("position",),
    records=_scored,
)  # fmt: skip

COMPLETENESS: Table[_Layer] = Table(
    "completeness",
    "One row per prompt and layer: how well the scores add up.",
    (
        *KEY,
        Column("prompt", TEXT, "the prompt", lambda each: each.completeness.query.prompt.text),
        Column("layer", INTEGER, "the layer, from 0", lambda each: each.layer),
        Column("error", NUMBER,
               "|sum of the layer's scores (joint: of all layers') - (P at the activation - P at the baseline)|,"
               " largest over baselines; null for methods that promise no completeness",
               lambda each: each.completeness.completeness_error[each.layer], optional=True),
        Column("ratio", NUMBER,
               "the error divided by |P at the activation - P at the baseline|; null also where that is 0",
               lambda each: each.completeness.completeness_ratio[each.layer], optional=True),
        Column("probability", NUMBER, "P(answer), untouched", lambda each: each.completeness.probability),
        Column("baseline_probability", NUMBER,
               "P(answer) at the baseline, mean over baselines; null for methods without a baseline",
               lambda each: each.completeness.baseline_probability[each.layer], optional=True),
        Column("points", INTEGER, "path points spent per baseline", lambda each: each.completeness.points[each.layer]),
    ),
    order=("prompt", "layer"),
    records=_layers,
)  # fmt: skip

EFFECT_COLUMNS: tuple[Column[Measurement], ...] = (
    Column("draw", INTEGER, "0: the found set; 1, 2, ...: the random draws", lambda each: each.draw),
    Column("action", TEXT, "suppress: values set to 0; enhance: values doubled", lambda each: each.action,
           choices=("suppress", "enhance")),
    Column("prompts", TEXT,
           "related: prompts of this fact; unrelated: of a fact of another relation in the same language",
           lambda each: "related" if each.other is None else "unrelated", choices=("related", "unrelated")),
    Column("other_fact_id", TEXT, "unrelated: the id of the fact that was asked; null: related",
           lambda each: None if each.other is None else each.other.id, optional=True),
    Column("size", INTEGER, "how many neurons were changed", lambda each: each.size),
    Column("probability_before", NUMBER, "P(answer) before, mean over the prompts, 0 to 1", lambda each: each.before),
    Column("probability_after", NUMBER, "P(answer) with the neurons changed, mean over the prompts, 0 to 1",
           lambda each: each.after),
    Column("log_change", NUMBER,
           "ln P(answer) after - before, in nats, mean over the prompts; null: P is 0 in one of them, or the run is of"
           " an earlier version", lambda each: each.log_change, optional=True),
    Column("prompt_count", INTEGER, "how many prompts were asked", lambda each: each.prompts),
)  # fmt: skip
"""What every table of changed neurons says: which draw, what was done, what was asked, and what came of it."""

INTERVENTIONS: Table[Measurement] = Table(
    "interventions",
    "One row per set of neurons, action and prompts: the probability before and after.",
    (
        *KEY,
        RELATION,
        Column(
            "neurons",
            TEXT,
            "which neurons were changed: the found ones, or random ones matched to them",
            lambda each: each.neurons,
            choices=("knowledge", "degenerate", "random for knowledge", "random for degenerate"),
        ),
        *EFFECT_COLUMNS,
    ),
    order=("neurons", "draw", "action", "prompts", "other_fact_id"),
)

LOCATED: tuple[Table[Any], ...] = (KNOWLEDGE_NEURONS, FACTS, COMPLETENESS)
"""The tables of what was located, the main one first."""
