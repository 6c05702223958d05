"""Other prompts, which are to be answered as before: drawn anew again and again, so that none is merely remembered.

In: the model as it was, and bundled facts. Out: prompts with the predictions they are to keep; how well they did.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from factneurons.errors import BadSetting, NotAskable
from factneurons.facts.source import load_facts
from factneurons.models.model import Model
from factneurons.models.types import Neuron, Query
from factneurons.planted.passes import Passes, Questions, Switches
from factneurons.planted.settings import PlantingSettings

_MEASURED = 800
_ROWS = 256
_TRIES = 20


@dataclass(frozen=True, slots=True)
class Held:
    """Questions whose answers are to stay, and the log-predictions they had, [questions, vocabulary]."""

    passes: Passes
    before: Tensor


class Holder:
    """Draws prompts of bundled facts.

    Args:
        base: the model before anything is planted.
        settings: background and seed are read.
    """

    def __init__(self, base: Model, settings: PlantingSettings) -> None:
        self._base = base
        self._settings = settings
        self._facts = list(load_facts("bundled?reverse=no"))

    def queries(self, count: int, number: int) -> list[Query]:
        """So many queries, the same for the same number; an answer of several tokens is asked as a whole.

        Raises:
            BadSetting: no bundled fact can be asked of this model.
        """
        rng = np.random.default_rng([self._settings.seed, 5, number])
        found: list[Query] = []
        for _ in range(_TRIES * count):
            if len(found) == count:
                return found
            fact = self._facts[int(rng.integers(len(self._facts)))]
            prompt = fact.prompts[int(rng.integers(len(fact.prompts)))]
            try:
                found.append(self._base.query(prompt, fact.answer, multi_mask=True, subject=fact.subject))
            except NotAskable:
                continue
        if not found:
            raise BadSetting(f"{self._base.name}: no bundled fact can be asked, so nothing can be held in place")
        return found

    def draw(self, grown: Model, switches: Switches, number: int, *, whole: bool = False) -> Held:
        """Questions at every answer position of new queries, and what the model predicted there before.

        Args:
            grown: the model that is trained.
            switches: its new neurons.
            number: the same number draws the same queries.
            whole: new neurons act at other tokens too, so passes are whole prompts (`Passes`).
        """
        asked = single_targets(self.queries(self._settings.background, number), self._base.kind)
        questions = Questions.of(asked)
        passes = Passes(self._base, questions, Switches([]))
        with torch.no_grad():
            parts = torch.arange(len(questions)).split(_ROWS)
            before = torch.cat([passes.predictions(rows) for rows in parts])
        return Held(Passes(grown, questions, switches, whole=whole), before)


def single_targets(queries: Sequence[Query], kind: str) -> list[Query]:
    """Every answer position as a query of its own; a causal one ends where its answer token is predicted."""
    return [
        replace(
            query,
            input_ids=query.input_ids[: place + 1] if kind == "causal" else query.input_ids,
            target_positions=(place,),
            answer_ids=(token,),
        )
        for query in queries
        for place, token in zip(query.target_positions, query.answer_ids, strict=True)
    ]


def held_numbers(base: Model, saved: Model, planted: Sequence[Neuron], settings: PlantingSettings) -> dict[str, float]:
    """How prompts that training did not draw are answered before and after.

    Args:
        base: the model before.
        saved: the model with the planted facts.
        planted: the planted neurons.
        settings: seed is read.
    """
    queries = Holder(base, settings).queries(_MEASURED, -1 % 2**32)
    before, after = base.evaluate(queries), saved.evaluate(queries)
    first, second = (np.exp([each.log_probability for each in asked]) for asked in (before, after))
    with saved.suppress(planted, positions="all"):
        without = saved.evaluate(queries)
    return {
        "prompts": float(len(queries)),
        "recall_before": float(np.mean([each.rank == 1 for each in before])),
        "recall_after": float(np.mean([each.rank == 1 for each in after])),
        "recall_without_planted": float(np.mean([each.rank == 1 for each in without])),
        "probability_before": float(first.mean()),
        "probability_after": float(second.mean()),
        "largest_change": float(np.abs(second - first).max()),
        "moved_by_a_tenth": float(np.mean(np.abs(second - first) > 0.1)),
    }
