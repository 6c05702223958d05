"""The conditions without neurons: a statement's score is what the model says when it is asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from factneurons.errors import NotAskable
from factneurons.factcheck.types import Statement
from factneurons.facts.types import BLANK, Prompt
from factneurons.models.model import Model
from factneurons.models.types import Query
from factneurons.statistics import Numbers

Scorer = Callable[[Model, Sequence[Statement], Sequence[Query]], Numbers]
"""Statements and their queries to scores [n], NaN where there is none."""


def _asking(model: Model, statements: Sequence[Statement], queries: Sequence[Query]) -> Numbers:
    return np.array([float(each.rank == 1) for each in model.evaluate(queries)])


def _probability(model: Model, statements: Sequence[Statement], queries: Sequence[Query]) -> Numbers:
    return model.probabilities(queries)


TRUE_FALSE: dict[str, tuple[str, str, str]] = {
    "en": ("{} True or false? ___", "true", "false"),
    "zh": ("{}这句话是真的还是假的？___", "真的", "假的"),
}
"""Language -> how the model is asked about a whole statement, and its two answers."""


def _true_false(model: Model, statements: Sequence[Statement], queries: Sequence[Query]) -> Numbers:
    scores = np.full(len(statements), np.nan)
    asked: list[tuple[int, Query, Query]] = []
    for place, statement in enumerate(statements):
        if statement.language not in TRUE_FALSE:
            continue
        form, true, false = TRUE_FALSE[statement.language]
        prompt = Prompt(form.format(statement.text.replace(BLANK, "")))
        try:
            asked.append((place, model.query(prompt, true), model.query(prompt, false)))
        except NotAskable:
            continue
    if asked:
        found = model.log_probabilities([query for _, *both in asked for query in both]).reshape(-1, 2)
        scores[[place for place, _, _ in asked]] = found[:, 0] - found[:, 1]
    return scores


SCORERS: dict[str, Scorer] = {"asking": _asking, "probability": _probability, "true_false": _true_false}
"""Condition of `conditions.CONDITIONS` -> its score."""
