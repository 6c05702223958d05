"""The test that every run makes: change the found neurons and look whether the fact follows.

Each fact's knowledge neurons, and its degenerate ones, are suppressed (values set to 0) and enhanced (doubled)
while its own prompts and prompts of other relations are asked; the same is done to matched random neurons.
Sources: Dai et al. (2022); Journey to the Center of the Knowledge Neurons (AAAI 2024), success rate on related
and unrelated facts. The random control goes through the same code.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt

from factneurons.attribution.controls import CONTROLS, strengths
from factneurons.attribution.settings import ACTIONS, InterventionSettings
from factneurons.attribution.types import Measurement
from factneurons.facts.related import FactPool
from factneurons.facts.types import Fact
from factneurons.models.model import Model
from factneurons.models.questions import Asking, Question
from factneurons.models.types import Neuron, Query, check_finite


@dataclass(frozen=True, slots=True)
class Asked:
    """A fact and its queries."""

    fact: Fact
    queries: tuple[Query, ...]


def intervene(
    model: Model,
    asked: Asked,
    neurons: Sequence[Neuron],
    name: str,
    pool: FactPool[Query],
    settings: InterventionSettings,
) -> list[Measurement]:
    """Suppress and enhance a fact's neurons and matched random ones, on its own and on unrelated prompts.

    Args:
        model: the model.
        asked: the fact.
        neurons: the found neurons, at least one.
        name: what they are, "knowledge" or "degenerate".
        pool: where unrelated facts are drawn from.
        settings: how many draws.

    Raises:
        BadNumber: a probability that is NaN; names the fact.
        NotAskable: too few other neurons to compare with.
    """
    return model.answer([intervention(model, asked, neurons, name, pool, settings)])[0]


def intervention(
    model: Model,
    asked: Asked,
    neurons: Sequence[Neuron],
    name: str,
    pool: FactPool[Query],
    settings: InterventionSettings,
) -> Asking[list[Measurement]]:
    """The same as a search, to be advanced beside others; too few other neurons are told before it begins."""
    random_sets = CONTROLS[settings.control](
        strengths(model, asked.queries), neurons, draws=settings.draws, seed=settings.seed, name=asked.fact.key
    )
    sets: list[tuple[Neuron, ...]] = [tuple(neurons), *random_sets]
    drawn = pool.unrelated(asked.fact, settings.unrelated, settings.seed)
    queries = [*asked.queries, *(query for _, query in drawn)]
    factors = [factor for factor in ACTIONS.values() for _ in sets]
    question = Question(queries, [(), *sets, *sets], [1.0, *factors])
    return _measured(question, asked, drawn, sets, name)


def _measured(
    question: Question,
    asked: Asked,
    drawn: Sequence[tuple[Fact, Query]],
    sets: Sequence[Sequence[Neuron]],
    name: str,
) -> Asking[list[Measurement]]:
    table = yield question
    check_finite(table, f"fact {asked.fact.id!r}", "P(answer) is NaN under an intervention")
    found: list[Measurement] = []
    rows = iter(table)
    for other, prompts in ((None, asked.queries), *((other, (query,)) for other, query in drawn)):
        found += _measurements(asked.fact, other, np.stack(list(islice(rows, len(prompts)))), sets, name)
    return found


def _measurements(
    fact: Fact, other: Fact | None, probabilities: npt.NDArray[np.float64], sets: Sequence[Sequence[Neuron]], name: str
) -> Iterator[Measurement]:
    """One per action and set; `probabilities`: [prompts, 1 + actions x sets], the first with nothing changed."""
    before, *changed = probabilities.T
    after = iter(changed)
    for action in ACTIONS:
        for draw, neurons in enumerate(sets):
            yield Measurement.of(
                fact,
                (before, next(after)),
                neurons=f"random for {name}" if draw else name,
                draw=draw,
                action=action,
                other=other,
                size=len(neurons),
            )
