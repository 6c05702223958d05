"""P(answer), and neurons' values, under many different neuron sets at once: one set per row, over shared prompts.

Questions of any prompts share passes: rows of one pass belong to queries with equally many answer tokens, and each has
its own sets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from factneurons.models.backbone import Backbone
from factneurons.models.interventions import changed_values, multiply
from factneurons.models.passes.attention import Unsupported
from factneurons.models.passes.capture import Capture, capture
from factneurons.models.passes.captures import Captures
from factneurons.models.passes.changes import ChangedRows, NeuronSets
from factneurons.models.passes.fast_path import disable_fast_path, fast_path_fits, try_past
from factneurons.models.passes.matmul import fast_products
from factneurons.models.passes.memory import in_parts
from factneurons.models.passes.plain import plain_log_probabilities
from factneurons.models.passes.rows import Multiplied, run_rows
from factneurons.models.probabilities import activations
from factneurons.models.questions import Asking, Question, Reading
from factneurons.models.types import FloatArray, Neuron, Query

_ROWS = 1024
_ENCODER_TOKENS = 4096

_Found = TypeVar("_Found")


def answer_side_by_side(backbone: Backbone, searches: Iterable[Asking[_Found]]) -> list[_Found]:
    """Advance all searches together until each has found what it looks for; the same as one after the other.

    Args:
        backbone: the network. No search may hold an intervention open while it waits for an answer.
        searches: the searches; what one raises ends all.
    """
    captures = Captures(backbone)
    running = dict(enumerate(searches))
    found: dict[int, _Found] = {}
    answers: dict[int, FloatArray | None] = dict.fromkeys(running)
    while running:
        asked: dict[int, Question | Reading] = {}
        for place, search in list(running.items()):
            try:
                asked[place] = search.send(answers[place])  # type: ignore[arg-type]  # None begins it
            except StopIteration as end:
                found[place] = end.value
                del running[place]
        questions = {place: each for place, each in asked.items() if isinstance(each, Question)}
        readings = {place: each for place, each in asked.items() if isinstance(each, Reading)}
        logs = log_probabilities_of(backbone, list(questions.values()), captures)
        answers = dict(zip(questions, map(np.exp, logs), strict=True))
        answers.update(zip(readings, values_of(backbone, list(readings.values()), captures), strict=True))
    return [found[place] for place in range(len(found))]


def log_probabilities_of(
    backbone: Backbone, questions: Sequence[Question], captures: Captures | None = None
) -> list[FloatArray]:
    """Log P(answer) in nats, [queries, sets] for each question (`Model.probabilities_with`).

    Args:
        backbone: the network.
        questions: what is asked.
        captures: of queries that were asked before; None: nothing is kept.

    Raises:
        BadSetting: a neuron that the model does not have, or not one factor for each set.
    """
    sets = [NeuronSets.of(backbone, each.neuron_sets, each.all_factors) for each in questions]
    results = [np.empty((len(each.queries), len(each.neuron_sets))) for each in questions]

    def untouched(item: _Item, captured: Capture) -> None:
        results[item.question][item.query] = captured.log_probabilities[item.row].sum().item()

    def fast(captured: Capture, items: Sequence[_Item], own: Sequence[NeuronSets]) -> None:
        found = _rows_log_probabilities(backbone, captured, own).cpu().numpy()
        for row, (item, part) in enumerate(zip(items, own, strict=True)):
            results[item.question][item.query, part.numbers] = found[row, : len(part)]

    def plain(item: _Item, captured: Capture, own: NeuronSets) -> None:
        def ask(part: Sequence[int]) -> None:
            chosen = own.part(part[0], part[-1] + 1)
            logs = plain_log_probabilities(backbone, captured, chosen.factors_of())
            results[item.question][item.query, chosen.numbers] = logs.cpu().numpy()

        in_parts(range(len(own)), ask, what=f"interventions on {backbone.name}")

    work = _Work(backbone, sets, untouched, fast, plain)
    work.answer([each.queries for each in questions], captures)
    return results


def values_of(backbone: Backbone, readings: Sequence[Reading], captures: Captures | None = None) -> list[FloatArray]:
    """Values of neurons with sets of others suppressed, [queries, sets, neurons] for each reading."""
    sets = [NeuronSets.of(backbone, each.neuron_sets, [0.0] * len(each.neuron_sets)) for each in readings]
    results = [np.empty((len(each.queries), len(each.neuron_sets), len(each.neurons))) for each in readings]

    def untouched(item: _Item, captured: Capture) -> None:
        query = captured.batch.queries[item.row]
        if query.positions != "target":
            own = readings[item.question].neurons
            results[item.question][item.query] = activations(backbone, [query])[0][tuple(zip(*own, strict=True))]
            return
        for place, (layer, index) in enumerate(readings[item.question].neurons):
            value = captured.activations[layer][item.row, :, index].float().mean()
            results[item.question][item.query, :, place] = value.item()

    def fast(captured: Capture, items: Sequence[_Item], own: Sequence[NeuronSets]) -> None:
        rows = ChangedRows.of(captured, own)
        wanted = [readings[item.question].neurons for item in items]
        seen = _read(backbone, captured, rows, {neuron for neurons in wanted for neuron in neurons})
        for row, (item, part) in enumerate(zip(items, own, strict=True)):
            for place, neuron in enumerate(wanted[row]):
                reached = np.flatnonzero(rows.begins[: len(part)] <= neuron.layer)
                if len(reached):
                    results[item.question][item.query, part.numbers[reached], place] = seen[neuron][row, reached]

    def plain(item: _Item, captured: Capture, own: NeuronSets) -> None:
        layers, indices = zip(*readings[item.question].neurons, strict=True)
        for number, neurons in zip(own.numbers, own.factors_of(), strict=True):
            with changed_values(backbone, neurons, multiply(0.0), "target"):
                values = activations(backbone, captured.batch.queries)
            results[item.question][item.query, number] = values[0, layers, indices]

    work = _Work(backbone, sets, untouched, fast, plain)
    work.answer([each.queries for each in readings], captures)
    return results


@dataclass(frozen=True, slots=True)
class _Item:
    """One query of one question, and its row in a capture."""

    question: int
    query: int
    row: int


@dataclass(frozen=True, slots=True)
class _Work:
    """How questions are spread over passes.

    Attributes:
        backbone: the network.
        sets: of every question.
        untouched: is given the capture that an item is in, before anything else.
        fast: is given a capture of some items alone, and some sets of each.
        plain: is given an item alone, and its sets, where rows do not fit.
    """

    backbone: Backbone
    sets: Sequence[NeuronSets]
    untouched: Callable[[_Item, Capture], None]
    fast: Callable[[Capture, Sequence[_Item], Sequence[NeuronSets]], None]
    plain: Callable[[_Item, Capture, NeuronSets], None]

    def answer(self, queries: Sequence[Sequence[Query]], captures: Captures | None) -> None:
        """All questions, each with its queries."""
        asked: dict[Query, list[tuple[int, int]]] = {}
        for question, own in enumerate(queries):
            for place, query in enumerate(own):
                asked.setdefault(query, []).append((question, place))
        kept = Captures(self.backbone, kept=False) if captures is None else captures
        for captured, rows in kept.of(list(asked)):
            items = [_Item(*place, row) for query, row in rows.items() for place in asked[query]]
            for item in items:
                self.untouched(item, captured)
            changed = [item for item in items if len(self.sets[item.question])]
            for part in self._packed(captured, changed):
                in_parts(part, partial(self._ask, captured), what=f"interventions on {self.backbone.name}")

    def _packed(self, captured: Capture, items: Sequence[_Item]) -> Iterator[list[_Item]]:
        """Items with about equally many sets, as many as fill a pass."""
        most = self._most_rows(captured)
        pack: list[_Item] = []
        for item in sorted(items, key=lambda item: -len(self.sets[item.question])):
            if pack and (len(pack) + 1) * len(self.sets[pack[0].question]) > most:
                yield pack
                pack = []
            pack.append(item)
        if pack:
            yield pack

    def _most_rows(self, captured: Capture) -> int:
        if self.backbone.kind == "cloze":
            return max(1, _ENCODER_TOKENS // captured.batch.input_ids.shape[1])
        return max(1, _ROWS // captured.positions.shape[1])

    def _ask(self, captured: Capture, items: Sequence[_Item]) -> None:
        if fast_path_fits(self.backbone, captured):
            try:
                self._in_rows(captured, items)
            except Unsupported as reason:
                disable_fast_path(self.backbone, reason)
            else:
                return
        try_past(self.backbone, captured)
        for item in items:
            alone = captured
            if len(captured.batch.queries) > 1:
                query = captured.batch.queries[item.row]
                alone = capture(self.backbone, [query], [(0, tuple(range(len(query.answer_ids))))])
            self.plain(item, alone, self.sets[item.question])

    def _in_rows(self, captured: Capture, items: Sequence[_Item]) -> None:
        own = captured.subset(torch.tensor([item.row for item in items], device=captured.rows.device))
        sets = [self.sets[item.question] for item in items]

        def ask(part: Sequence[int]) -> None:
            cut = {id(each): each.part(part[0], part[-1] + 1) for each in sets}
            self.fast(own, items, [cut[id(each)] for each in sets])

        step = max(1, self._most_rows(captured) // len(items))
        longest = max(len(each) for each in sets)
        for begin in range(0, longest, step):
            in_parts(range(begin, min(begin + step, longest)), ask, what=None)


@torch.no_grad()
def _rows_log_probabilities(backbone: Backbone, captured: Capture, sets: Sequence[NeuronSets]) -> Tensor:
    """[I, rows] of the sets of every item, in their order; NaN where an item has fewer."""
    rows = ChangedRows.of(captured, sets)
    with fast_products(backbone.device, backbone.dtype):
        carried = run_rows(backbone, captured, rows.starts, rows.changes)
        hidden = torch.cat([part for part in carried if part is not None], 1)
        real = rows.real.to(hidden.device)
        targets = captured.targets[:, None].expand(-1, real.shape[1], -1).to(real.device)[real]
        flat = hidden[real].flatten(0, 1)
        tokens = backbone.head.log_probabilities(flat, targets.reshape(-1).to(flat.device))
    result = torch.full(real.shape, float("nan"), dtype=torch.float64, device=tokens.device)
    result[real.to(tokens.device)] = tokens.view(targets.shape).sum(-1)
    return result


@torch.no_grad()
def _read(
    backbone: Backbone, captured: Capture, rows: ChangedRows, neurons: Iterable[Neuron]
) -> dict[Neuron, FloatArray]:
    """Of each neuron the values [I, rows] in the rows that start in its layer or below it."""
    by_layer: dict[int, list[Neuron]] = {}
    for neuron in sorted(neurons):
        by_layer.setdefault(neuron.layer, []).append(neuron)
    found: dict[Neuron, FloatArray] = {}

    def noted(layer: int, values: Tensor) -> None:
        for neuron in by_layer[layer]:
            own = values[..., neuron.index].float().mean(-1).double().cpu().numpy()
            found[neuron] = np.concatenate([found[neuron], own], 1) if neuron in found else own

    def noting(layer: int, change: Multiplied | None) -> Callable[[Tensor], Tensor]:
        def changed(values: Tensor) -> Tensor:
            after = values if change is None else change(values)
            noted(layer, after)
            return after

        return changed

    lowest = int(rows.begins.min())
    changes = rows.changes | {layer: noting(layer, rows.changes.get(layer)) for layer in by_layer if layer > lowest}
    with fast_products(backbone.device, backbone.dtype):
        run_rows(backbone, captured, rows.starts, changes)
    for layer in by_layer:  # rows that start there come after those from below
        start = rows.starts[layer]
        if start is not None:
            noted(layer, start)
    return found
