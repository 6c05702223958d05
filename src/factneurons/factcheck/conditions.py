"""The conditions that are compared: where the score of a statement comes from.

Sources: 'Journey to the Center of the Knowledge Neurons' (AAAI 2024) and 'Cracking Factual Knowledge' (ACL 2025) for
neurons and asking; the probability of the statement is the plain alternative that neither compares with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from factneurons.errors import NotAskable
from factneurons.factcheck.types import Statement
from factneurons.facts.types import BLANK, Prompt
from factneurons.models.model import Model
from factneurons.models.types import Query
from factneurons.settings import check_choice
from factneurons.statistics import Numbers

Scorer = Callable[[Model, Sequence[Statement], Sequence[Query]], Numbers]


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition.

    Attributes:
        name: its name.
        title: what tables and figures call it.
        meaning: one line for help texts.
        score: statements and their queries to scores [n], NaN where there is none; None: neurons give the score.
    """

    name: str
    title: str
    meaning: str
    score: Scorer | None = None

    @property
    def by_neurons(self) -> bool:
        """Whether the score is the mean over a relation's neurons."""
        return self.score is None


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


CONDITIONS: dict[str, Condition] = {
    each.name: each
    for each in (
        Condition("degenerate", "degenerate neurons", "attribution of the neurons that back each other up"),
        Condition("knowledge", "knowledge neurons", "attribution of the knowledge neurons"),
        Condition("random", "random neurons, matched", "random neurons of the same layers and strength"),
        Condition("asking", "asking the model", "whether the candidate is the model's top prediction", _asking),
        Condition("probability", "probability", "P(candidate | prompt)", _probability),
        Condition(
            "true_false",
            "asking true or false",
            "log P(true) - log P(false) after the statement; not for masked models that need two masks for a word",
            _true_false,
        ),
    )
}
"""The conditions by name."""

HEADLINE = ("degenerate", "knowledge", "random", "asking", "probability")
"""The five that every table compares."""


def condition_named(name: str) -> Condition:
    """The condition of this name.

    Raises:
        BadSetting: there is none; the message lists the valid names.
    """
    check_choice("condition", name, CONDITIONS)
    return CONDITIONS[name]
