"""Attention of our own, through transformers' attention registry: the only place that touches it.

Two functions are registered under names of ours, and a model is sent to one of them for the time of a `with`
block only. What they need is handed to them in a context variable, because transformers calls them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from transformers.cache_utils import Cache, DynamicLayer
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from factneurons.models.backbone import Backbone
from factneurons.models.passes.fused import fused_activations

_ROWS = "factneurons_rows"
_PLAIN = "factneurons_plain"


class Unsupported(Exception):
    """The model's blocks do not fit the fast path; the plain loop must do."""


class UnsupportedPrompt(Unsupported):
    """These prompts do not fit it; shorter ones may."""


@dataclass(slots=True)
class Prefix:
    """What rows see while they run: the stored keys and values of the prompts before their target positions.

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


_PREFIX: ContextVar[Prefix | None] = ContextVar("prefix", default=None)
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
    s_aux: Tensor | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """Attention of rows [items, heads, rows * n, size] over the stored prefix and, causally, over their own n.

    With `s_aux` [heads] a part of each row's attention goes nowhere (GPT-OSS's sinks); values may have their own size.
    """
    prefix = _PREFIX.get()
    strange = [name for name, value in options.items() if value is not None and name not in _IGNORED]
    if prefix is None or any(isinstance(options[name], (Tensor, float)) for name in strange):
        raise Unsupported(f"attention with {', '.join(strange) or 'no prefix'}")
    layer = module.layer_idx
    assert isinstance(layer, int)
    items, heads, total, size = query.shape
    keys, values = prefix.keys[layer], prefix.values[layer]
    if key.shape[-2] > total:  # the model made them of what it keeps: the prefix's come first
        before = key.shape[-2] - total
        keys, values, key, value = (
            *(part[:, :, :before] for part in (key, value)),
            key[:, :, before:],
            value[:, :, before:],
        )
    length, n = keys.shape[-2], prefix.positions.shape[1]
    prefix.calls += 1
    shared = key.shape[1]
    group, rows = heads // shared, total // n
    query = query * (size**-0.5 if scaling is None else scaling)
    scores = query.reshape(items, shared, group * total, size) @ keys.transpose(-1, -2)
    scores = _capped(scores.view(items, shared, group, rows, n, length), softcap)
    hidden = prefix.hidden_keys(length, sliding_window)
    if hidden is not None:
        scores = scores.masked_fill(hidden[:, None, None, None].to(scores.device), float("-inf"))
    own_keys, own_values = (part.view(items, shared, 1, rows, n, part.shape[-1]) for part in (key, value))
    own_query = query.view(items, shared, group, rows, n, size)
    if n == 1:
        own = _capped((own_query * own_keys).sum(-1, keepdim=True), softcap)
    else:
        unseen = torch.ones(n, n, dtype=torch.bool, device=query.device)
        unseen = unseen.triu(1) | unseen.tril(-(sliding_window or n))
        own = _capped(own_query @ own_keys.transpose(-1, -2), softcap).masked_fill(unseen, float("-inf"))
    parts = [scores, own]
    if s_aux is not None:
        parts.append(s_aux.view(1, shared, group, 1, 1, 1).to(own).expand(items, -1, -1, rows, n, -1))
    weights = torch.softmax(torch.cat(parts, -1), -1, dtype=_softmax_dtype(query)).to(query.dtype)
    from_prefix = weights[..., :length].reshape(items, shared, group * total, length) @ values
    own_part = weights[..., length : length + n]
    mixed = own_part * own_values if n == 1 else own_part @ own_values
    result = from_prefix.view(items, shared, group, rows, n, value.shape[-1]) + mixed
    return result.reshape(items, heads, total, value.shape[-1]).transpose(1, 2).contiguous(), None


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


ALL_ATTENTION_FUNCTIONS.register(_ROWS, _row_attention)
ALL_ATTENTION_FUNCTIONS.register(_PLAIN, _plain_attention)


@contextmanager
def own_attention(backbone: Backbone, prefix: Prefix) -> Iterator[None]:
    """Route attention to ours for the time of the block, over the prefix or, where it is empty, over whole prompts.

    Raises:
        Unsupported: the block ended and not every layer's attention had come here.
    """
    config = backbone.module.config
    with backbone.turns.turn():
        old = config._attn_implementation
        token = _PREFIX.set(prefix)
        try:
            config._attn_implementation = _ROWS if prefix.keys else _PLAIN
            with fused_activations(layer.activation for layer in backbone.layers):
                yield
        finally:
            config._attn_implementation = old
            _PREFIX.reset(token)
    if prefix.calls != backbone.layer_count:
        raise Unsupported("attention that does not go through the registry")


def prefix_cache(prefix: Prefix, length: int) -> Cache:
    """A cache of `length` tokens that hands none of them back: the attention function reads the prefix itself."""
    kept = zip(prefix.keys, prefix.values, strict=True)
    return Cache(layers=[_PrefixLayer(keys, values, length) for keys, values in kept])


class _PrefixLayer(DynamicLayer):
    """Hands back only the new keys and values; or all, where what is kept may be what keys and values are made of.

    DeepSeek's attention keeps a vector that both are made of, and the part of keys that is rotated: of two sizes.
    """

    def __init__(self, keys: Tensor, values: Tensor, length: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._kept, self._length = (keys, values), length
        self.is_initialized = True

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        keys, values = self._kept
        if keys.shape[-1] == values.shape[-1]:
            return key_states, value_states
        return torch.cat([keys, key_states], -2), torch.cat([values, value_states], -2)

    def get_seq_length(self, *_: Any) -> int:
        return self._length
