"""Rows: changed copies of a prompt's target positions that start in the middle of the model.

A row replaces the input of one layer's down-projection at its item's target positions and is carried from
that layer's output to the head. Rows of all layers travel up together: one pass over the blocks serves every
layer's rows, and nothing below a row's layer is computed again. This is the fast path.

In a causal model only the target positions are carried: rows are further query positions that see the
prompt's stored keys and values and themselves. In an encoder a change reaches every position above, so rows
carry the whole prompt. Nothing here knows a model family: blocks are entered and left by hooks, and attention
goes through `attention.py`. A model that does not fit is found out by a self-check (`fast_path.py`) and served
by `plain.py`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from factneurons.errors import MODEL_ERRORS
from factneurons.models.adapters import Layer
from factneurons.models.backbone import Backbone
from factneurons.models.batches import Batch
from factneurons.models.failures import is_out_of_memory
from factneurons.models.hooks import Registration, after, before, stream_of, with_stream
from factneurons.models.passes.attention import Prefix, Unsupported, own_attention, prefix_cache
from factneurons.models.passes.capture import Capture
from factneurons.models.threads import Change


@dataclass(frozen=True, slots=True)
class Multiplied:
    """The change that multiplies single neurons of single rows: one entry per (item, row, neuron)."""

    items: Tensor
    rows: Tensor
    indices: Tensor
    factors: Tensor

    def __call__(self, carried: Tensor) -> Tensor:
        """The rows [I, rows, n, width] with their neurons multiplied."""
        changed = carried.clone(memory_format=torch.contiguous_format)
        items, rows, indices = (place.to(carried.device) for place in (self.items, self.rows, self.indices))
        factors = self.factors.to(carried.device, carried.dtype)
        changed[items, rows, :, indices] *= factors[:, None]
        return changed


@contextmanager
def fitting_rows() -> Iterator[None]:
    """Around rows on their way, or back: what blocks raise that are run in a way they do not know.

    Raises:
        Unsupported: they have raised something.
    """
    try:
        yield
    except MODEL_ERRORS as error:
        if is_out_of_memory(error):
            raise
        raise Unsupported(f"its blocks do not run on rows alone: {type(error).__name__}") from error


def block_output(layer: Layer, residual: Tensor, value: Tensor) -> Tensor:
    """The block's output at the target positions when its down-projection reads `value`."""
    own = layer.down.forward(value)  # not the call: hooks on the projection mean the carried rows
    if layer.after_mlp is not None:
        own = layer.after_mlp(own)
    total = residual + (own if layer.factor == 1.0 else layer.factor * own)
    return total if layer.after_residual is None else layer.after_residual(total)  # type: ignore[no-any-return]


def run_rows(
    backbone: Backbone, captured: Capture, starts: Sequence[Tensor | None], changes: Mapping[int, Change] | None = None
) -> list[Tensor | None]:
    """Carry rows from their layers to the head.

    Args:
        backbone: the network; its blocks must fit (`fast_path.fast_path_fits`).
        captured: the items the rows start from.
        starts: per layer [I, rows, n, width], the down-projection's input of the rows that start there; None
            where none starts.
        changes: per layer, what happens to the neurons [I, rows, n, width] of rows started lower down; open
            interventions come first.

    Returns:
        per layer [I, rows, n, hidden], the head's input of the rows that started there.

    Raises:
        Unsupported: the blocks do not fit.
    """
    carried = (_Prompts if backbone.kind == "cloze" else _Tokens)(backbone, captured)
    hooks: list[Registration] = []
    below: tuple[int, ...] = ()
    for number, (layer, start) in enumerate(zip(backbone.layers, starts, strict=True)):
        hooks.append(before(layer.block, carried.enter, keywords=True))
        if start is not None:
            hooks.append(after(layer.block, _joining(carried, number, start, others=bool(below))))
        opened = backbone.open_change(number)
        if opened is not None and below:
            hooks.append(before(layer.down, _changing(carried.everywhere, opened, below)))
        if changes is not None and number in changes and below:
            hooks.append(before(layer.down, _changing(carried.changed, changes[number], below)))
        if start is not None:
            below = (*below, start.shape[1])
    with backbone.carrying_rows(), fitting_rows():
        hidden = carried.to_head(hooks)
    parts = iter(carried.split(hidden, below))
    return [None if start is None else next(parts) for start in starts]


class _Tokens:
    """Rows of a causal model: their target positions alone, one row after the other along the tokens."""

    axis = 1

    def __init__(self, backbone: Backbone, captured: Capture) -> None:
        self.backbone, self.captured = backbone, captured
        self._items, self._n = captured.positions.shape

    def enter(self, module: nn.Module, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """A block's arguments for as many rows as reach it."""
        n, hidden = self._n, inputs[0] if inputs else options["hidden_states"]
        if n > 1:
            options = {name: _tiled(name, value, n, hidden.shape[1] // n) for name, value in options.items()}
        return _without_mask(module, inputs, options)

    def rows(self, number: int, new: Tensor) -> Tensor:
        """Block outputs at the target positions, as they travel up."""
        return new.reshape(self._items, -1, new.shape[-1])

    def changed(self, value: Tensor, change: Change, counts: Sequence[int]) -> Tensor:
        """The travelling rows' neurons after the change."""
        return change(value.reshape(self._items, -1, self._n, value.shape[-1])).reshape(value.shape)

    def everywhere(self, value: Tensor, change: Change, counts: Sequence[int]) -> Tensor:
        """The same change for every row, at all of the query's target positions: only those travel."""
        return change(value)

    def to_head(self, hooks: Sequence[Registration]) -> Tensor:
        """Carry the rows up."""
        if "position_ids" not in inspect.signature(self.backbone.module.forward).parameters:
            raise Unsupported("a model without position ids")
        if not self.captured.keys:
            raise Unsupported("a past that is not the keys and values of all layers")
        captured, positions = self.captured, self.captured.positions
        longest = int(positions[:, 0].max())
        batch = Batch(captured.batch.queries, captured.batch.input_ids[captured.rows[:, None], positions], None)
        prefix = _prefix(captured, longest)
        cache = prefix_cache(prefix, longest)
        with own_attention(self.backbone, prefix):
            return self.backbone.to_head(batch, hooks=hooks, cache=cache, position_ids=positions)

    def split(self, hidden: Tensor, counts: Sequence[int]) -> Sequence[Tensor]:
        """The rows [I, rows, n, hidden] of every layer that had some."""
        parts: Sequence[Tensor] = hidden.reshape(self._items, -1, self._n, hidden.shape[-1]).split(counts, dim=1)
        return parts


class _Prompts:
    """Rows of an encoder: whole prompts, one after the other along the batch."""

    axis = 0

    def __init__(self, backbone: Backbone, captured: Capture) -> None:
        self.backbone, self.captured = backbone, captured

    def enter(self, module: nn.Module, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """A block's arguments, the same for any number of prompts."""
        return _without_mask(module, inputs, options)

    def rows(self, number: int, new: Tensor) -> Tensor:
        """Copies of the prompts' block outputs [I * rows, tokens, hidden] with new values at the targets."""
        items, count, n, size = new.shape
        stored = self.captured.outputs[number]
        base = stored[self.captured.rows.to(stored.device)][:, None].expand(items, count, -1, size)
        index = self.captured.positions[:, None, :, None].expand(items, count, n, size).to(stored.device)
        return base.scatter(2, index, new).reshape(items * count, -1, size)

    def changed(self, value: Tensor, change: Change, counts: Sequence[int]) -> Tensor:
        """The travelling prompts' neurons after the change at the targets, `counts` rows per item and layer."""
        positions, owner = self.captured.positions, self._owners(counts)
        places = torch.arange(len(owner), device=value.device)[:, None], positions[owner].to(value.device)
        by_layer = value[places].split([len(positions) * count for count in counts])
        rows = torch.cat([part.view(len(positions), -1, *part.shape[1:]) for part in by_layer], 1)
        changed = value.clone()
        changed[places] = torch.cat([part.flatten(0, 1) for part in change(rows).split(counts, 1)])
        return changed

    def everywhere(self, value: Tensor, change: Change, counts: Sequence[int]) -> Tensor:
        """The same change for every row, at all of the query's target positions."""
        targets = self.captured.batch.positions_mask(encoder=True)[self.captured.rows[self._owners(counts)]]
        return torch.where(targets[..., None].to(value.device), change(value), value)

    def _owners(self, counts: Sequence[int]) -> Tensor:
        """The item of every travelling prompt, [rows]."""
        items = torch.arange(self.captured.size, device=self.captured.rows.device)
        return torch.cat([items.repeat_interleave(count) for count in counts])

    def to_head(self, hooks: Sequence[Registration]) -> Tensor:
        """Carry the prompts up."""
        with own_attention(self.backbone, Prefix([], [], self.captured.positions)):
            return self.backbone.to_head(self.captured.batch, hooks=hooks)

    def split(self, hidden: Tensor, counts: Sequence[int]) -> Sequence[Tensor]:
        """The rows [I, rows, n, hidden] of every layer that had some, at the target positions."""
        items, n = self.captured.positions.shape
        index, size = self.captured.positions[:, None, :, None].to(hidden.device), hidden.shape[-1]
        parts = [part.view(items, -1, hidden.shape[1], size) for part in hidden.split([items * c for c in counts])]
        return [part.gather(2, index.expand(items, part.shape[1], n, size)) for part in parts]


def _joining(carried: _Tokens | _Prompts, number: int, start: Tensor, *, others: bool) -> Callable[..., Any]:
    """A hook on a block: rows that start there join those from below, or take the place of the prompts."""

    def hook(module: nn.Module, inputs: Any, output: Any) -> Any:
        hidden = stream_of(output)
        residual = carried.captured.residuals[number][:, None]
        rows = carried.rows(number, block_output(carried.backbone.layers[number], residual, start))
        hidden = torch.cat([hidden, rows.to(hidden.device)], carried.axis) if others else rows
        return with_stream(output, hidden)

    return hook


def _changing(
    put: Callable[[Tensor, Change, Sequence[int]], Tensor], change: Change, counts: Sequence[int]
) -> Callable[..., Any]:
    return lambda module, inputs: (put(inputs[0], change, counts),)


def _prefix(captured: Capture, longest: int) -> Prefix:
    one_each = captured.size == len(captured.batch.queries) and bool(
        (captured.rows == torch.arange(captured.size, device=captured.rows.device)).all()
    )

    def cut(stored: Tensor) -> Tensor:
        part = stored[..., :longest, :]
        return part if one_each else part[captured.rows.to(part.device)]

    return Prefix(
        keys=[cut(keys) for keys in captured.keys],
        values=[cut(values) for values in captured.values],
        positions=captured.positions,
    )


def _without_mask(
    module: nn.Module, inputs: tuple[Any, ...], options: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """A block's arguments with the attention mask, wherever it stands, taken out."""
    names = _names_of_arguments(type(module).forward)
    kept = tuple(None if name == "attention_mask" else value for name, value in zip(names, inputs, strict=False))
    return kept, {name: None if name == "attention_mask" else value for name, value in options.items()}


@cache
def _names_of_arguments(forward: Callable[..., Any]) -> tuple[str, ...]:
    """What a module's forward pass takes, in order; asked for every block of every pass."""
    return tuple(inspect.signature(forward).parameters)[1:]


def _tiled(name: str, value: Any, n: int, rows: int) -> Any:
    """Position information of n tokens repeated for every row of n tokens."""
    if isinstance(value, tuple) and name == "position_embeddings":
        return tuple(_tiled(name, part, n, rows) for part in value)
    if (
        isinstance(value, Tensor)
        and name in ("position_ids", "position_embeddings")
        and value.dim() >= 2
        and value.shape[1] == n
    ):
        return value.repeat(1, rows, *[1] * (value.dim() - 2))
    return value
