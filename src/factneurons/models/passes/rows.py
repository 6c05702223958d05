"""Rows: changed copies of a prompt's target positions that start in the middle of the model.

A row replaces the input of one layer's down-projection at its item's target positions and is carried from
that layer's output to the head. Rows of all layers travel up together, a staircase: one pass over the blocks
serves every layer's rows, and nothing below a row's layer is computed again.

In a causal model only the target positions are carried: rows are further query positions that see the
prompt's stored keys and values and themselves. In an encoder a change reaches every position above, so rows
carry the whole prompt. Nothing here knows a model family: blocks are entered and left by hooks, and attention
goes through transformers' attention registry. A model that does not fit is found out by a self-check
(`Model.staircase`) and served by `plain.py`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from transformers.cache_utils import Cache, DynamicLayer
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from factneurons.models.adapters import Layer
from factneurons.models.batches import Batch
from factneurons.models.hooks import Registration, after, before
from factneurons.models.passes.capture import Capture

if TYPE_CHECKING:
    from factneurons.models.model import Model


class Unsupported(Exception):
    """The model's blocks do not fit the staircase; the plain loop must do."""


class UnsupportedPrompt(Unsupported):
    """These prompts do not fit it; shorter ones may."""


Change = Callable[[Tensor], Tensor]
"""What happens to a layer's neurons [I, rows, n, width] of the rows that were started lower down."""


@dataclass(frozen=True, slots=True)
class Edits:
    """Multiply single neurons: one entry per (row, neuron) of a layer; a `Change` of one item's rows."""

    rows: Tensor
    indices: Tensor
    factors: Tensor

    def __call__(self, carried: Tensor) -> Tensor:
        """The rows with the neurons multiplied."""
        changed = carried.clone()
        chosen = changed[:, self.rows, :, self.indices]
        changed[:, self.rows, :, self.indices] = chosen * self.factors[:, None, None].to(chosen.dtype)
        return changed


@dataclass(slots=True)
class _Prefix:
    """What the attention function needs while rows run.

    `hidden` holds, by sliding window, which keys [items, n or 1, length] are not seen; None where all are.
    """

    keys: list[Tensor]
    values: list[Tensor]
    positions: Tensor
    calls: int = 0
    hidden: dict[int | None, Tensor | None] = field(default_factory=dict)

    def hidden_keys(self, length: int, window: int | None) -> Tensor | None:
        """Padding and the answer's own tokens; and what lies before the sliding window of a row's token."""
        if window not in self.hidden:
            keys = torch.arange(length, device=self.positions.device)
            hidden = keys >= self.positions[:, :1, None]
            if window is not None:
                hidden = hidden | (keys <= self.positions[:, :, None] - window)
            self.hidden[window] = hidden if bool(hidden.any()) else None
        return self.hidden[window]


_PREFIX: ContextVar[_Prefix | None] = ContextVar("prefix", default=None)
_IGNORED = {"dropout", "is_causal", "output_attentions", "use_cache", "position_ids", "cache_position"}


def _row_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """Attention of rows [items, heads, rows * n, size] over the stored prefix and, causally, over their own n."""
    prefix = _PREFIX.get()
    strange = [name for name, value in options.items() if value is not None and name not in _IGNORED]
    if prefix is None or any(isinstance(options[name], (Tensor, float)) for name in strange):
        raise Unsupported(f"attention with {', '.join(strange) or 'no prefix'}")
    layer = module.layer_idx
    assert isinstance(layer, int)
    keys, values = prefix.keys[layer], prefix.values[layer]
    length, n = keys.shape[-2], prefix.positions.shape[1]
    prefix.calls += 1
    items, heads, total, size = query.shape
    shared = key.shape[1]
    group, rows = heads // shared, total // n
    query = query * (size**-0.5 if scaling is None else scaling)
    scores = query.reshape(items, shared, group * total, size) @ keys.transpose(-1, -2)
    scores = _capped(scores.view(items, shared, group, rows, n, length), softcap)
    hidden = prefix.hidden_keys(length, sliding_window)
    if hidden is not None:
        scores = scores.masked_fill(hidden[:, None, None, None].to(scores.device), float("-inf"))
    own_keys, own_values = (part.view(items, shared, 1, rows, n, size) for part in (key, value))
    own_query = query.view(items, shared, group, rows, n, size)
    if n == 1:
        own = _capped((own_query * own_keys).sum(-1, keepdim=True), softcap)
    else:
        unseen = torch.ones(n, n, dtype=torch.bool, device=query.device)
        unseen = unseen.triu(1) | unseen.tril(-(sliding_window or n))
        own = _capped(own_query @ own_keys.transpose(-1, -2), softcap).masked_fill(unseen, float("-inf"))
    weights = torch.softmax(torch.cat([scores, own], -1), -1, dtype=_softmax_dtype(query)).to(query.dtype)
    from_prefix = weights[..., :length].reshape(items, shared, group * total, length) @ values
    own_part = weights[..., length:]
    mixed = own_part * own_values if n == 1 else own_part @ own_values
    result = from_prefix.view(items, shared, group, rows, n, size) + mixed
    return result.reshape(items, heads, total, size).transpose(1, 2).contiguous(), None


def _capped(scores: Tensor, softcap: float | None) -> Tensor:
    return scores if softcap is None else softcap * torch.tanh(scores / softcap)


def _plain_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """Attention of many short sequences without a mask: three products beat the fused kernels there."""
    prefix = _PREFIX.get()
    strange = [name for name, value in options.items() if isinstance(value, (Tensor, float)) and value is not None]
    if prefix is None or attention_mask is not None or set(strange) - _IGNORED:
        raise Unsupported(f"attention with {', '.join(strange) or 'a mask'}")
    if sliding_window is not None and query.shape[-2] > sliding_window // 2:  # of both sides, or of one
        raise UnsupportedPrompt(f"prompts longer than half the sliding window of {sliding_window} tokens")
    prefix.calls += 1
    size = query.shape[-1]
    scores = (query * (size**-0.5 if scaling is None else scaling)) @ key.transpose(-1, -2)
    weights = torch.softmax(scores, -1, dtype=_softmax_dtype(query)).to(query.dtype)
    return (weights @ value).transpose(1, 2).contiguous(), None


def _softmax_dtype(query: Tensor) -> torch.dtype:
    return query.dtype if query.dtype == torch.float64 else torch.float32


ALL_ATTENTION_FUNCTIONS.register("factneurons_rows", _row_attention)
ALL_ATTENTION_FUNCTIONS.register("factneurons_plain", _plain_attention)


@contextmanager
def _attention(model: Model, name: str, prefix: _Prefix) -> Iterator[None]:
    """Route the model's attention to one of ours; whatever happens, it goes back."""
    config = model.module.config
    old = config._attn_implementation
    token = _PREFIX.set(prefix)
    try:
        config._attn_implementation = name
        yield
    finally:
        config._attn_implementation = old
        _PREFIX.reset(token)


class _NoPrefixLayer(DynamicLayer):
    """Hands back only the new keys and values; the attention function reads the prefix itself."""

    def __init__(self, length: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._length = length
        self.is_initialized = True

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        return key_states, value_states

    def get_seq_length(self, *_: Any) -> int:
        return self._length


def block_output(layer: Layer, residual: Tensor, value: Tensor) -> Tensor:
    """The block's output at the target positions when its down-projection reads `value`."""
    own = layer.down.forward(value)  # not the call: hooks on the projection mean the carried rows
    if layer.after_mlp is not None:
        own = layer.after_mlp(own)
    total = residual + own
    return total if layer.after_residual is None else layer.after_residual(total)  # type: ignore[no-any-return]


def run_rows(
    model: Model, captured: Capture, starts: Sequence[Tensor | None], changes: Mapping[int, Change] | None = None
) -> list[Tensor | None]:
    """Carry rows from their layers to the head.

    Args:
        model: the model; its blocks must fit (`Model.staircase`).
        captured: the items the rows start from.
        starts: per layer [I, rows, n, width], the down-projection's input of the rows that start there; None
            where none starts.
        changes: per layer, what happens to the neurons of rows started lower down.

    Returns:
        per layer [I, rows, n, hidden], the head's input of the rows that started there.

    Raises:
        Unsupported: the blocks do not fit.
    """
    run = _run_encoder if model.kind == "cloze" else _run_decoder
    return run(model, captured, starts, changes or {})


def _run_decoder(
    model: Model, captured: Capture, starts: Sequence[Tensor | None], changes: Mapping[int, Change]
) -> list[Tensor | None]:
    items, n = captured.positions.shape
    counts = [0 if start is None else start.shape[1] for start in starts]
    longest = int(captured.positions[:, 0].max())
    prefix = _prefix(captured, longest)

    def enter(module: nn.Module, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
        hidden = inputs[0] if inputs else options["hidden_states"]
        if n > 1:
            options = {name: _tiled(name, value, n, hidden.shape[1] // n) for name, value in options.items()}
        return _without_mask(module, inputs, options)

    def leave(number: int) -> Callable[..., Any]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> Any:
            start = starts[number]
            if start is None:
                return output
            hidden = output[0] if isinstance(output, tuple) else output
            residual = captured.residuals[number][:, None]
            new = block_output(model.layers[number], residual, start).reshape(items, -1, hidden.shape[-1])
            hidden = torch.cat([hidden, new.to(hidden.device)], 1) if any(counts[:number]) else new
            return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

        return hook

    def edit(number: int) -> Callable[..., Any]:
        return lambda module, inputs: (_changed(inputs[0], items, n, changes[number]),)

    hooks = _registrations(model, enter, leave, edit, starts, changes)
    sequence = captured.batch.input_ids[captured.rows[:, None], captured.positions]
    batch = Batch(captured.batch.queries, sequence, None)
    cache = Cache(layers=[_NoPrefixLayer(longest) for _ in model.layers])
    if "position_ids" not in inspect.signature(model.module.forward).parameters:
        raise Unsupported("a model without position ids")
    with _attention(model, "factneurons_rows", prefix):
        hidden = model.to_head(batch, hooks=hooks, cache=cache, position_ids=captured.positions)
    if prefix.calls != model.layer_count:
        raise Unsupported("attention that does not go through the registry")
    parts = hidden.reshape(items, -1, n, hidden.shape[-1]).split([count for count in counts if count], dim=1)
    following = iter(parts)
    return [next(following) if count else None for count in counts]


def _prefix(captured: Capture, longest: int) -> _Prefix:
    one_each = captured.size == len(captured.batch.queries) and bool(
        (captured.rows == torch.arange(captured.size, device=captured.rows.device)).all()
    )

    def cut(stored: Tensor) -> Tensor:
        part = stored[..., :longest, :]
        return part if one_each else part[captured.rows.to(part.device)]

    return _Prefix(
        keys=[cut(keys) for keys in captured.keys],
        values=[cut(values) for values in captured.values],
        positions=captured.positions,
    )


def _run_encoder(
    model: Model, captured: Capture, starts: Sequence[Tensor | None], changes: Mapping[int, Change]
) -> list[Tensor | None]:
    items, n = captured.positions.shape
    counts = [0 if start is None else start.shape[1] for start in starts]
    prefix = _Prefix([], [], captured.positions)

    def enter(module: nn.Module, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
        return _without_mask(module, inputs, options)

    def leave(number: int) -> Callable[..., Any]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> Any:
            start = starts[number]
            if start is None:
                return output
            hidden = output[0] if isinstance(output, tuple) else output
            new = block_output(model.layers[number], captured.residuals[number][:, None], start)
            rows = _spliced(captured.outputs[number], captured, new)
            hidden = torch.cat([hidden, rows.to(hidden.device)]) if any(counts[:number]) else rows
            return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

        return hook

    def edit(number: int) -> Callable[..., Any]:
        def hook(module: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
            started = [count for count in counts[:number] if count]
            owner = torch.cat([torch.arange(items).repeat_interleave(count) for count in started])
            where = torch.arange(len(owner), device=owner.device)[:, None], captured.positions[owner]
            value = inputs[0].clone()
            by_layer = value[where].split([items * count for count in started])
            carried = torch.cat([rows.view(items, -1, n, value.shape[-1]) for rows in by_layer], 1)
            changed = changes[number](carried).split(started, 1)
            value[where] = torch.cat([rows.reshape(-1, n, value.shape[-1]) for rows in changed])
            return (value,)

        return hook

    hooks = _registrations(model, enter, leave, edit, starts, changes)
    with _attention(model, "factneurons_plain", prefix):
        hidden = model.to_head(captured.batch, hooks=hooks)
    if prefix.calls != model.layer_count:
        raise Unsupported("attention that does not go through the registry")
    result: list[Tensor | None] = []
    offset = 0
    for count in counts:
        part = hidden[offset : offset + items * count]
        offset += items * count
        index = captured.positions[:, None, :, None].expand(items, count, n, hidden.shape[-1])
        result.append(part.view(items, count, -1, hidden.shape[-1]).gather(2, index) if count else None)
    return result


def _spliced(output: Tensor, captured: Capture, new: Tensor) -> Tensor:
    """Copies of the prompts' block outputs [I * rows, tokens, hidden] with new values at the targets."""
    items, count, n, size = new.shape
    base = output[captured.rows][:, None].expand(items, count, -1, size)
    index = captured.positions[:, None, :, None].expand(items, count, n, size)
    return base.scatter(2, index, new).reshape(items * count, -1, size)


def _registrations(
    model: Model,
    enter: Callable[..., Any],
    leave: Callable[[int], Callable[..., Any]],
    edit: Callable[[int], Callable[..., Any]],
    starts: Sequence[Tensor | None],
    changes: Mapping[int, Change],
) -> list[Registration]:
    hooks: list[Registration] = []
    for number, layer in enumerate(model.layers):
        hooks.append(before(layer.block, enter, keywords=True))
        if starts[number] is not None:
            hooks.append(after(layer.block, leave(number)))
        if number in changes:
            hooks.append(before(layer.down, edit(number)))
    return hooks


def _changed(value: Tensor, items: int, n: int, change: Change) -> Tensor:
    """The carried rows' neurons [.., rows * n, width] after the change."""
    return change(value.reshape(items, -1, n, value.shape[-1])).reshape(value.shape)


def _without_mask(
    module: nn.Module, inputs: tuple[Any, ...], options: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """A block's arguments with the attention mask, wherever it stands, taken out."""
    names = list(inspect.signature(type(module).forward).parameters)[1:]
    kept = tuple(None if name == "attention_mask" else value for name, value in zip(names, inputs, strict=False))
    return kept, {name: None if name == "attention_mask" else value for name, value in options.items()}


def _tiled(name: str, value: Any, n: int, rows: int) -> Any:
    """Position information of n tokens repeated for every row of n tokens."""
    if isinstance(value, tuple) and name == "position_embeddings":
        return tuple(_tiled("position_ids", part, n, rows) for part in value)
    if isinstance(value, Tensor) and name == "position_ids" and value.dim() >= 2 and value.shape[1] == n:
        return value.repeat(1, rows, *[1] * (value.dim() - 2))
    return value
