"""Queries side by side, each with neurons of its own suppressed, in passes that can be differentiated.

In a causal model nothing that happens at the last token reaches the tokens before it: their keys and values are
computed once in a while and kept, and a pass is one token long. No gradient flows through what is kept. Where neurons
act at other tokens a pass is a whole prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers.cache_utils import DynamicCache

from factneurons.models.backbone import cache_option
from factneurons.models.hooks import Registration, before, hooked
from factneurons.models.model import Model
from factneurons.models.types import Neuron, Query

_KEPT_ROWS = 256


@dataclass(frozen=True, slots=True)
class Questions:
    """Queries with one answer token each, padded on the right.

    Attributes:
        input_ids: [queries, tokens].
        attention: [queries, tokens], 1 where a token is no padding.
        targets: [queries], the position whose output predicts the answer.
        answers: [queries], the answer's token.
        acting: [queries], the position at which neurons are switched.
    """

    input_ids: Tensor
    attention: Tensor
    targets: Tensor
    answers: Tensor
    acting: Tensor

    @classmethod
    def of(cls, queries: Sequence[Query]) -> Questions:
        """Collate queries of one answer token."""
        longest = max(len(query.input_ids) for query in queries)
        filled = [[*query.input_ids, *[query.input_ids[0]] * (longest - len(query.input_ids))] for query in queries]
        real = [[1] * len(query.input_ids) + [0] * (longest - len(query.input_ids)) for query in queries]
        return cls(
            torch.tensor(filled),
            torch.tensor(real),
            torch.tensor([query.target_positions[0] for query in queries]),
            torch.tensor([query.answer_ids[0] for query in queries]),
            torch.tensor([query.places(encoder=False)[-1] for query in queries]),
        )

    def take(self, rows: Tensor) -> Questions:
        """Some of the queries, in the given order, no longer than they have to be."""
        longest = int(self.attention[rows].sum(1).max())
        return Questions(
            self.input_ids[rows, :longest],
            self.attention[rows, :longest],
            self.targets[rows],
            self.answers[rows],
            self.acting[rows],
        )

    def __len__(self) -> int:
        return len(self.targets)


class Switches:
    """Which of the new neurons are on, row by row.

    Args:
        neurons: the new neurons; the columns of every mask.
    """

    def __init__(self, neurons: Sequence[Neuron]) -> None:
        self.neurons = tuple(neurons)
        self._columns = {neuron: column for column, neuron in enumerate(self.neurons)}

    def mask(self, suppressed: Sequence[frozenset[Neuron]]) -> Tensor:
        """[sets, neurons], 0 for what is suppressed and 1 for the rest."""
        result = torch.ones(len(suppressed), len(self.neurons))
        for row, neurons in enumerate(suppressed):
            result[row, [self._columns[neuron] for neuron in neurons]] = 0.0
        return result

    def of_layer(self, layer: int) -> tuple[Tensor, Tensor]:
        """Columns of a layer's neurons in a mask, and their indices in the layer."""
        own = [(column, neuron.index) for column, neuron in enumerate(self.neurons) if neuron.layer == layer]
        columns, indices = zip(*own, strict=True) if own else ((), ())
        return torch.tensor(columns, dtype=torch.long), torch.tensor(indices, dtype=torch.long)


class Passes:
    """Passes of a model over questions, with neurons switched off where they act.

    Args:
        model: a cloze or causal model.
        questions: what can be asked, by number.
        switches: the neurons that can be switched.
        whole: run whole prompts, also where neurons act at the target alone.
    """

    def __init__(self, model: Model, questions: Questions, switches: Switches, *, whole: bool = False) -> None:
        self.model = model
        self.questions = questions
        self.switches = switches
        self._of_layer = [switches.of_layer(layer) for layer in range(model.layer_count)]
        self._kept: list[tuple[Tensor, Tensor]] = []
        self._whole = whole or model.kind != "causal" or bool((questions.acting != questions.targets).any())
        self.refresh()

    @torch.no_grad()
    def refresh(self) -> None:
        """Compute anew what the tokens before the target pass on, with the weights as they are now."""
        if self._whole:
            return
        parts = []
        for begin in range(0, len(self.questions), _KEPT_ROWS):
            rows = slice(begin, begin + _KEPT_ROWS)
            cache = DynamicCache()
            body = self.model.backbone.module.base_model
            ids, attention = self.questions.input_ids[rows, :-1], self.questions.attention[rows, :-1]
            body(input_ids=ids, attention_mask=attention, use_cache=True, **{cache_option(body): cache})
            layers: list[Any] = cache.layers
            parts.append([(layer.keys, layer.values) for layer in layers])
        self._kept = [
            (torch.cat([part[layer][0] for part in parts]), torch.cat([part[layer][1] for part in parts]))
            for layer in range(len(parts[0]))
        ]

    def predictions(self, rows: Tensor, on: Tensor | None = None) -> Tensor:
        """Log-probabilities over the vocabulary at the target positions of questions, [rows, vocabulary].

        Args:
            rows: the numbers of the questions.
            on: [rows, switchable neurons], what their values are multiplied by where they act.
        """
        return self._run(rows, on, []).float().log_softmax(-1)

    @torch.no_grad()
    def inputs_of(self, module: nn.Module, rows: Tensor, on: Tensor | None = None) -> Tensor:
        """What a submodule reads where neurons act, [rows, hidden]."""
        seen: list[Tensor] = []
        place = self._place(self.questions.acting[rows])

        def see(_: nn.Module, inputs: tuple[Tensor]) -> None:
            seen.append(inputs[0][torch.arange(len(rows)), place])

        self._run(rows, on, [before(module, see)])
        return seen[0]

    def _place(self, positions: Tensor) -> Tensor:
        """Where positions of prompts are in a pass."""
        return torch.zeros_like(positions) if self._kept else positions

    def _run(self, rows: Tensor, on: Tensor | None, hooks: list[Registration]) -> Tensor:
        place = self._place(self.questions.targets[rows])

        def at_target(_: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
            return (inputs[0][torch.arange(len(rows)), place],)

        switched = [] if on is None else self._suppressing(self._place(self.questions.acting[rows]), on)
        with hooked([*hooks, *switched, before(self.model.backbone.projection, at_target)]):
            logits: Tensor = self.model.backbone.module(**self._inputs(rows)).logits
        return logits

    def _inputs(self, rows: Tensor) -> dict[str, object]:
        asked = self.questions.take(rows)
        if not self._kept:
            return {"input_ids": asked.input_ids, "attention_mask": asked.attention}
        before_target = asked.attention.clone()
        before_target[torch.arange(len(rows)), asked.targets] = 0
        longest = asked.attention.shape[1] - 1
        cache = DynamicCache()
        for layer, (keys, values) in enumerate(self._kept):
            cache.update(keys[rows, :, :longest], values[rows, :, :longest], layer)
        return {
            "input_ids": asked.input_ids[torch.arange(len(rows)), asked.targets][:, None],
            "attention_mask": torch.cat([before_target[:, :longest], torch.ones(len(rows), 1, dtype=torch.long)], 1),
            "position_ids": asked.targets[:, None],
            cache_option(self.model.backbone.module): cache,
        }

    def _suppressing(self, place: Tensor, on: Tensor) -> list[Registration]:
        return [
            before(layer.down, _scaling(place, columns_on(on, *self._of_layer[number], self.model.width)))
            for number, layer in enumerate(self.model.backbone.layers)
            if len(self._of_layer[number][0])
        ]


def columns_on(on: Tensor, columns: Tensor, indices: Tensor, width: int) -> Tensor:
    """What a layer's values are multiplied by, [rows, width]."""
    scale = torch.ones(len(on), width)
    scale[:, indices] = on[:, columns]
    return scale


def _scaling(place: Tensor, scale: Tensor) -> Callable[[nn.Module, tuple[Tensor]], tuple[Tensor]]:
    def hook(_: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
        values = inputs[0]
        if values.shape[1] == 1:
            return (values * scale[:, None],)
        at_target = torch.arange(values.shape[1]) == place[:, None]
        return (torch.where(at_target[..., None], values * scale[:, None], values),)

    return hook
