"""The plain batched loop: whole prompts with one layer's value replaced, for models that the fast path does not fit.

Where a causal model takes the stored past of its prompts (`fast_path.py` tries it), only target positions are run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers.cache_utils import DynamicCache

from factneurons.models.backbone import Backbone
from factneurons.models.batches import Batch
from factneurons.models.hooks import Registration, before
from factneurons.models.passes.capture import Capture, places
from factneurons.models.threads import Change
from factneurons.models.types import Neuron

_TOKENS = 4096
"""Tokens of one forward pass of whole prompts."""


def run_plain(backbone: Backbone, captured: Capture, layer: int, start: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Run whole prompts with one layer's down-projection input replaced at the target positions.

    Args:
        backbone: any model's.
        captured: the items.
        layer: the layer.
        start: [I, rows, n, width], the values to put in.

    Yields:
        a slice of the flattened rows [I * rows] and their head input [rows of the slice, n, hidden].
    """
    values = start.flatten(0, 1)

    def hooks(part: slice, owner: Tensor) -> list[Registration]:
        put = _at_targets(backbone, captured, layer, owner, lambda _: values[part])
        return [before(backbone.layers[layer].down, put)]

    return _whole_prompts(backbone, captured, start.shape[1], hooks)


def run_changed(
    backbone: Backbone, captured: Capture, changes: Sequence[Change], count: int
) -> Iterator[tuple[slice, Tensor]]:
    """The same with the neurons of every layer changed, each as the changed layers below make it.

    Args:
        backbone: any model's.
        captured: the items.
        changes: per layer, what happens to its neurons [I, rows, n, width].
        count: rows per item.
    """

    def hooks(part: slice, owner: Tensor) -> list[Registration]:
        return [
            before(layer.down, _at_targets(backbone, captured, number, owner, _of_some(changes[number], part)))
            for number, layer in enumerate(backbone.layers)
        ]

    def _of_some(change: Change, part: slice) -> Change:
        def changed(values: Tensor) -> Tensor:
            everything = values.new_zeros(captured.size * count, *values.shape[1:])
            everything[part] = values
            return change(everything.view(captured.size, count, *values.shape[1:])).flatten(0, 1)[part]

        return changed

    return _whole_prompts(backbone, captured, count, hooks)


def _whole_prompts(
    backbone: Backbone, captured: Capture, count: int, hooks: Callable[[slice, Tensor], list[Registration]]
) -> Iterator[tuple[slice, Tensor]]:
    """Whole prompts, `count` rows per item, some at a time, up to the head."""
    owners = torch.arange(captured.size, device=captured.rows.device).repeat_interleave(count)
    if uses_past(backbone, captured):
        for part in _of_equal_past(captured, owners):
            yield part, _ends_to_head(backbone, captured, owners[part], hooks(part, owners[part]))
        return
    step = step_of(captured.batch)
    for begin in range(0, len(owners), step):
        part = slice(begin, min(begin + step, len(owners)))
        owner = owners[part]
        hidden = backbone.to_head(repeated(captured.batch, captured.rows[owner]), hooks=hooks(part, owner))
        yield (
            part,
            hidden[
                torch.arange(len(owner), device=hidden.device)[:, None], captured.positions[owner].to(hidden.device)
            ],
        )


def uses_past(backbone: Backbone, captured: Capture) -> bool:
    """Whether only target positions are run: the model takes a past, and nothing else is open or meant."""
    elsewhere = any(query.positions != "target" for query in captured.batch.queries)
    return bool(backbone.fast_path.takes_past and captured.keys and not backbone.own.interventions and not elsewhere)


def _of_equal_past(captured: Capture, owners: Tensor) -> Iterator[slice]:
    """Neighbouring rows whose target positions begin at the same place."""
    begins = captured.positions[owners, 0].tolist()
    step, begin = step_of(captured.batch), 0
    for end in range(1, len(begins) + 1):
        if end == len(begins) or begins[end] != begins[begin] or end - begin == step:
            yield slice(begin, end)
            begin = end


def _ends_to_head(backbone: Backbone, captured: Capture, owner: Tensor, hooks: Sequence[Registration]) -> Tensor:
    """The target positions [rows, n, hidden] of items with equally long pasts, at the head."""
    rows, positions = captured.rows[owner], captured.positions[owner]
    length, cache = int(positions[0, 0]), DynamicCache()
    for layer, (keys, values) in enumerate(zip(captured.keys, captured.values, strict=True)):
        own = rows.to(keys.device)
        cache.update(keys[own, :, :length], values[own, :, :length], layer)
    queries = tuple(captured.batch.queries[int(row)] for row in rows)
    batch = Batch(queries, captured.batch.input_ids[rows[:, None], positions], None)
    return backbone.to_head(batch, hooks=hooks, cache=cache if length else None)


def step_of(batch: Batch) -> int:
    """How many whole prompts of a batch go into one pass."""
    decoder = 0 if batch.decoder_input_ids is None else batch.decoder_input_ids.shape[1]
    return max(1, _TOKENS // (batch.input_ids.shape[1] + decoder))


def repeated(batch: Batch, rows: Tensor) -> Batch:
    """The batch with these of its rows, some perhaps several times."""
    decoder = batch.decoder_input_ids
    return Batch(
        queries=tuple(batch.queries[int(row)] for row in rows),
        input_ids=batch.input_ids[rows],
        decoder_input_ids=None if decoder is None else decoder[rows],
    )


def _at_targets(backbone: Backbone, captured: Capture, layer: int, owner: Tensor, change: Change) -> Callable[..., Any]:
    """A hook that changes the values [rows, n, width] at the places of a layer's neurons."""
    if uses_past(backbone, captured):
        where = torch.arange(captured.positions.shape[1], device=owner.device)[None]
    else:
        where = places(backbone, captured.batch, layer, captured.rows[owner], captured.positions[owner])
    rows = torch.arange(len(owner), device=owner.device)[:, None]

    def hook(module: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
        value = inputs[0]
        changed = value.reshape(len(owner), -1, value.shape[-1]).clone()
        places = rows.to(value.device), where.to(value.device)
        changed[places] = change(changed[places]).to(changed.dtype)
        return (changed.view(value.shape),)

    return hook


@torch.no_grad()
def plain_log_probabilities(backbone: Backbone, captured: Capture, factors: Sequence[Mapping[Neuron, float]]) -> Tensor:
    """Log P(answer) of one query under many sets of neurons multiplied where they are meant, a whole prompt per set.

    Args:
        backbone: any model's.
        captured: one item with all its target positions.
        factors: per set, neuron (layer, index) -> factor.

    Returns:
        [sets] float64, nats.
    """
    longest = captured.batch.input_ids.shape[1]
    step = max(1, _TOKENS // longest)
    results = []
    past = uses_past(backbone, captured)

    def where(layer: int) -> Sequence[int]:
        if past:
            return range(captured.positions.shape[1])
        return captured.batch.queries[0].places(encoder=backbone.in_encoder(layer))

    for begin in range(0, len(factors), step):
        part = factors[begin : begin + step]
        rows = torch.zeros(len(part), dtype=torch.long, device=captured.rows.device)
        hooks = [
            before(backbone.layers[layer].down, _multiply(where(layer), layer, part))
            for layer in sorted({layer for neurons in part for layer, _ in neurons})
        ]
        if past:
            at_targets = _ends_to_head(backbone, captured, rows, hooks)
        else:
            hidden = backbone.to_head(repeated(captured.batch, rows), hooks=hooks)
            at_targets = hidden[:, captured.positions[0].to(hidden.device)]
        targets = captured.targets.expand(len(part), -1).reshape(-1).to(at_targets.device)
        flat = at_targets.reshape(-1, at_targets.shape[-1])
        results.append(backbone.head.log_probabilities(flat, targets).view(len(part), -1).sum(-1))
    return torch.cat(results)


def _multiply(where: Sequence[int], layer: int, factors: Sequence[Mapping[Neuron, float]]) -> Callable[..., Any]:
    entries = [(row, i, f) for row, neurons in enumerate(factors) for (lay, i), f in neurons.items() if lay == layer]

    def hook(module: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
        value = inputs[0]
        scale = torch.ones(len(factors), 1, value.shape[-1], dtype=value.dtype, device=value.device)
        for row, index, factor in entries:
            scale[row, 0, index] = factor
        changed = value.reshape(len(factors), -1, value.shape[-1]).clone()
        changed[:, where] = changed[:, where] * scale
        return (changed.view(value.shape),)

    return hook
