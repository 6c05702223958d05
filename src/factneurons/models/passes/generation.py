"""Greedy text under changes of neurons: many prompts side by side, each with a change of its own, with caches.

Rows are padded on the left and the padding is masked, so a row's text does not depend on what it stands beside. Models
that take no positions (BLOOM) share passes where their prompts are equally long; those that take no mask, or whose
past is not keys and values alone, are run one row at a time, the whole text for every token.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers.cache_utils import DynamicCache

from factneurons.models.backbone import Backbone, cache_option
from factneurons.models.hooks import Registration, before, hooked, noting_shape
from factneurons.models.passes.capture import stores_keys
from factneurons.models.passes.matmul import fast_products
from factneurons.models.passes.memory import in_parts
from factneurons.models.types import Neuron

_TOKENS = 8192
"""Tokens of the rows that are written together, what is to come among them."""


@torch.no_grad()
def continuations(
    backbone: Backbone,
    prompts: Sequence[Sequence[int]],
    factors: Sequence[Mapping[Neuron, float]],
    *,
    tokens: int,
    everywhere: bool = False,
    limit: int | None = None,
) -> list[list[int]]:
    """What a causal model writes after prompts, the likeliest token each time.

    Args:
        backbone: a causal model's.
        prompts: token ids, at least one each.
        factors: per prompt, neuron -> what its value is multiplied by.
        tokens: so many tokens are written at most.
        everywhere: change the neurons at every position; otherwise at the last prompt token and at every written one.
        limit: the number of positions the model has.

    Returns:
        per prompt the ids that were written, without the token that ended them.
    """
    ends, found = _ends(backbone), dict[int, list[int]]()

    def write(indices: Sequence[int]) -> None:
        rows = _Rows(backbone, [prompts[index] for index in indices], limit)
        changes = _changes(backbone, [factors[index] for index in indices], everywhere, rows)
        with hooked(changes), fast_products(backbone.device, backbone.dtype):
            found.update(zip(indices, rows.written(tokens, ends), strict=True))

    for indices in _together(backbone, prompts, tokens):
        in_parts(indices, write, what=f"generation with {backbone.name}")
    return [found[index] for index in range(len(prompts))]


def _taken(backbone: Backbone) -> Collection[str]:
    """What a model's forward pass can be given."""
    return inspect.signature(backbone.module.forward).parameters


def _has_cache(backbone: Backbone) -> bool:
    return cache_option(backbone.module) in _taken(backbone) and stores_keys(backbone)


def _together(backbone: Backbone, prompts: Sequence[Sequence[int]], tokens: int) -> Iterator[list[int]]:
    takes = set(_taken(backbone))
    side_by_side = "attention_mask" in takes and _has_cache(backbone)
    padded = "position_ids" in takes
    batch: list[int] = []
    for index in sorted(range(len(prompts)), key=lambda index: len(prompts[index])):
        longest = len(prompts[index])
        fits = side_by_side and (len(batch) + 1) * (longest + tokens) <= _TOKENS
        if batch and not (fits and (padded or longest == len(prompts[batch[0]]))):
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def _ends(backbone: Backbone) -> set[int]:
    """The tokens that end a text."""
    own = getattr(getattr(backbone.module, "generation_config", None), "eos_token_id", None)
    found = own if isinstance(own, list) else [own]
    return {token for token in [*found, backbone.tokenizer.eos_token_id] if token is not None}


class _Rows:
    """Texts side by side, as they grow."""

    def __init__(self, backbone: Backbone, prompts: Sequence[Sequence[int]], limit: int | None) -> None:
        self._backbone, self._prompts, self._limit, self._takes = backbone, prompts, limit, _taken(backbone)
        longest, device = max(len(prompt) for prompt in prompts), backbone.device
        padded = [[*[prompt[0]] * (longest - len(prompt)), *prompt] for prompt in prompts]
        shown = [[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts]
        self._ids, self._mask = torch.tensor(padded, device=device), torch.tensor(shown, device=device)
        self._cache = DynamicCache() if _has_cache(backbone) else None
        self.first = longest - 1
        """The place of the last prompt token in what is run."""

    def written(self, tokens: int, ends: Collection[int]) -> list[list[int]]:
        """So many tokens, or fewer where a text ends or the model has no more positions."""
        texts: list[list[int]] = [[] for _ in self._prompts]
        going = set(range(len(texts)))
        new = self._ids
        for _ in range(tokens):
            best = self._next(new)
            for row in list(going):
                token = int(best[row])
                if token in ends or not self._has_room(row, texts[row]):
                    going.discard(row)
                else:
                    texts[row].append(token)
            if not going:
                break
            new = best[:, None]
            self._ids = torch.cat([self._ids, new], 1)
            self._mask = torch.cat([self._mask, torch.ones_like(new)], 1)
        return texts

    def _has_room(self, row: int, text: Sequence[int]) -> bool:
        return self._limit is None or len(self._prompts[row]) + len(text) < self._limit

    def _next(self, new: Tensor) -> Tensor:
        """The likeliest next token of every row, [rows]; `new` [rows, tokens] are those not in the cache."""
        options: dict[str, Any] = {"input_ids": new if self._cache is not None else self._ids}
        if "attention_mask" in self._takes:
            options["attention_mask"] = self._mask
        if "position_ids" in self._takes:
            most = None if self._limit is None else self._limit - 1  # of rows that have ended
            places = (self._mask.cumsum(1) - 1).clamp(0, most)
            options["position_ids"] = places[:, -options["input_ids"].shape[1] :]
        if self._cache is not None:
            options |= {cache_option(self._backbone.module): self._cache, "use_cache": True}
        if "logits_to_keep" in self._takes:
            options["logits_to_keep"] = 1
        with self._backbone.turns.turn():
            return self._backbone.module(**options).logits[:, -1].argmax(-1)  # type: ignore[no-any-return]


def _changes(
    backbone: Backbone, factors: Sequence[Mapping[Neuron, float]], everywhere: bool, rows: _Rows
) -> Iterator[Registration]:
    """Hooks that multiply every row's own neurons."""
    for layer in sorted({neuron.layer for own in factors for neuron in own}):
        scale = torch.ones(len(factors), 1, backbone.widths[layer], dtype=torch.float64)
        for row, own in enumerate(factors):
            for neuron, factor in own.items():
                if neuron.layer == layer:
                    scale[row, 0, neuron.index] = factor
        shape, noting = noting_shape(backbone.layers[layer].block)
        yield noting
        yield before(backbone.layers[layer].down, _multiply(scale, shape, 0 if everywhere else rows.first))


def _multiply(scale: Tensor, shape: Sequence[int], first: int) -> Any:
    """A hook that multiplies values [rows, tokens, width] from a place on; a pass over one new token is behind it."""

    def hook(module: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
        values = inputs[0].view(*shape, -1).clone()  # some blocks run their MLP on [rows * tokens, hidden]
        begin = 0 if shape[1] == 1 else first
        values[:, begin:] *= scale.to(values.device, values.dtype)
        return (values.view(inputs[0].shape),)

    return hook
