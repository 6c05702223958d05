"""Edits made one on top of another, as they are used: what is left of each after 1, 10 and 50 of them.

'The Mirage of Model Editing: Revisiting Evaluation in the Wild' (ACL 2025): edits that succeed alone damage each other,
and the model, when they are made in a row. The facts that can be edited, in a fixed random order, are cut into
sequences of each length; a sequence is made edit by edit on the model as the earlier ones left it, then all of its
facts are asked, and everything is undone. Facts that do not fill a sequence are in none, and counted. Each edit is made
of the same neurons and to the same answer as alone; random neurons, one draw, go through the same sequences.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from factneurons.draws import rank
from factneurons.editing.measuring import WRITTEN
from factneurons.editing.settings import EditSettings
from factneurons.errors import NotAskable
from factneurons.experiments.experiment import RANDOM_FOR
from factneurons.experiments.study import BATCH, Study
from factneurons.experiments.types import Measured
from factneurons.facts.related import RelatedFacts
from factneurons.facts.types import Fact
from factneurons.facts.words import names_one_of
from factneurons.models.types import Neuron, Query

if TYPE_CHECKING:
    from factneurons.editing.types import Edit

LENGTHS = (1, 10, 50)
"""How many edits are made in a row."""

MOST = 100
"""Facts of a language that are in sequences, at most."""

SUCCESS, WRITES, KEPT, NONE = (
    "in a row, success rate", "in a row, writes new answer", "in a row, others kept", "in no sequence"
)  # fmt: skip
MEASURES = {
    SUCCESS: "share of the fact's other prompts whose top prediction is its new answer, after so many edits (place)",
    WRITES: f"share of them after which the model's next {WRITTEN} tokens name the new answer, likewise; causal models",
    KEPT: "share of known facts of other relations, answered first before, that still are, likewise",
    NONE: "1: too few facts can be edited to fill a sequence of that length (the place) with this one in it",
}


@dataclass(frozen=True, slots=True)
class Change:
    """How one fact is edited: what this is called, the kind of edit, whose out-weights change, and the new answer."""

    condition: str
    kind: str
    neurons: tuple[Neuron, ...]
    new: str


class EditSequences:
    """The sequences that a study's facts are edited in, each made once.

    Args:
        study: the study.
        around: where other facts of a relation are found, whose answers an edit keeps if it keeps any; those that are
            edited in the same sequence are none of these.
        changes: how a fact is edited, by each kind of edit; raises NotAskable for a fact that cannot be by all.
    """

    def __init__(self, study: Study, around: RelatedFacts, changes: Callable[[Fact], Sequence[Change]]) -> None:
        self._study, self._around, self._changes = study, around, changes
        self._editable: dict[str, dict[str, Sequence[Change]]] = {}
        self._facts: dict[str, Fact] = {fact.key: fact for fact in study.facts}
        self._made: dict[tuple[str, ...], dict[str, list[Measured]]] = {}

    def of(self, fact: Fact) -> Iterator[Measured]:
        """What is left of a fact's edits after its sequence of every length."""
        order = list(self._in(fact.language))
        if fact.key not in order:
            return
        for length in LENGTHS:
            start = order.index(fact.key) // length * length
            block = tuple(order[start : start + length])
            if len(block) < length:
                yield Measured(NONE, NONE, 1.0, str(length))
                continue
            if block not in self._made:
                self._made[block] = self._sequence([self._facts[key] for key in block])
            yield from self._made[block][fact.key]

    def _in(self, language: str) -> Mapping[str, Sequence[Change]]:
        """The facts of a language that can be edited, in their order: key -> how."""
        if language not in self._editable:
            found = self._editable[language] = {}
            facts = [fact for fact in self._study.facts if fact.language == language]
            facts.sort(key=lambda fact: rank(f"{self._study.settings.seed}/sequence/{fact.key}"))
            for number, fact in enumerate(facts):
                if number % BATCH == 0:
                    self._study.expect(facts[number : number + BATCH])
                if len(found) < MOST:
                    try:
                        found[fact.key] = self._changes(fact)
                    except NotAskable:
                        continue
        return self._editable[language]

    def _sequence(self, block: Sequence[Fact]) -> dict[str, list[Measured]]:
        """Fact's key -> its numbers after the whole sequence, made by each kind of edit."""
        rows: dict[str, list[Measured]] = defaultdict(list)
        changes = {fact.key: self._in(fact.language)[fact.key] for fact in block}
        others = {fact.key: self._others(fact, block) for fact in block}
        for number, first in enumerate(changes[block[0].key]):
            own = [(fact, changes[fact.key][number]) for fact in block]
            for condition, neurons in (
                (first.condition, [change.neurons for _, change in own]),
                (f"{RANDOM_FOR}{first.condition}", [self._random(fact, change) for fact, change in own]),
            ):
                made: list[Edit] = []
                try:
                    for (fact, change), changed in zip(own, neurons, strict=True):
                        made.append(self._edit(fact, change, changed, block))
                        made[-1].apply(self._study.model)
                    for fact, change in own:
                        found = self._left(fact, change.new, others[fact.key])
                        rows[fact.key] += [Measured(condition, name, each, str(len(block))) for name, each in found]
                finally:
                    for each in reversed(made):
                        each.undo(self._study.model)
        return rows

    def _edit(self, fact: Fact, change: Change, neurons: Sequence[Neuron], block: Sequence[Fact]) -> Edit:
        from factneurons.editing.build import edit

        settings = self._study.settings
        relation = [other for other in self._around.neighbours(fact) if other not in block]
        how = EditSettings(kind=change.kind, multi_mask=settings.multi_mask, seed=settings.seed)
        return edit(self._study.model, fact, how, to=change.new, neurons=neurons, relation=relation)

    def _random(self, fact: Fact, change: Change) -> tuple[Neuron, ...]:
        return self._study.random(self._study.halves(fact)[0], change.neurons, fact.key)[0]

    def _others(self, fact: Fact, block: Sequence[Fact]) -> list[Query]:
        """Facts of other relations, not edited themselves, whose answer comes first before any edit."""
        queries = [query for other, query in self._study.unrelated(fact)[0] if other not in block]
        ranks = self._study.model.evaluate(queries)
        return [query for query, each in zip(queries, ranks, strict=True) if each.rank == 1]

    def _left(self, fact: Fact, new: str, others: Sequence[Query]) -> Iterator[tuple[str, float]]:
        from factneurons.models.generation import generate

        model, prompts = self._study.model, [query.prompt for query in self._study.halves(fact)[1]]
        asked = [model.query(prompt, new, multi_mask=self._study.settings.multi_mask) for prompt in prompts]
        yield SUCCESS, float(np.mean([each.rank == 1 for each in model.evaluate(asked)]))
        if model.kind == "causal":
            yield (
                WRITES,
                float(np.mean([names_one_of(text, [new]) for text in generate(model, prompts, tokens=WRITTEN)])),
            )
        if others:
            yield KEPT, float(np.mean([each.rank == 1 for each in model.evaluate(others)]))
