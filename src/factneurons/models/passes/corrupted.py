"""Neuron values at the target positions of many variants of a prompt, without the head and without gradients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from factneurons.errors import BadModel
from factneurons.models.backbone import Backbone
from factneurons.models.batches import Batch
from factneurons.models.hooks import Reached, before, hooked
from factneurons.models.passes.capture import places
from factneurons.models.passes.inward import reading
from factneurons.models.passes.matmul import fast_products
from factneurons.models.passes.memory import in_parts
from factneurons.models.types import Query

_TOKENS = 2048


def replacement_token(backbone: Backbone) -> tuple[int, str]:
    """What stands in for a removed word, and its name: the mask, else the end-of-text token, else bos, else pad.

    Source: Journey to the Center of the Knowledge Neurons (AAAI 2024): <mask> in auto-encoding models, <eos> in
    auto-regressive ones.

    Raises:
        BadModel: the tokenizer has none of them.
    """
    names = ("mask_token", "eos_token", "bos_token", "pad_token")[0 if backbone.kind == "cloze" else 1 :]
    for name in names:
        number = getattr(backbone.tokenizer, f"{name}_id", None)
        if number is not None:
            return int(number), name
    raise BadModel(f"{backbone.name}: its tokenizer has none of {', '.join(names)} to put in a word's place")


def corrupted(query: Query, positions: Sequence[int], token: int) -> Query:
    """The query with some positions of its (encoder's) text replaced by one token."""
    ids = list(query.input_ids)
    for position in positions:
        ids[position] = token
    return replace(query, input_ids=tuple(ids))


@torch.no_grad()
def target_activations(backbone: Backbone, queries: Sequence[Query], *, pre: bool = False) -> list[Tensor]:
    """The neurons' values, per layer [queries, n, width], of queries of one shape (n target positions each).

    Args:
        backbone: the network.
        queries: what is run.
        pre: not their values but what their activation function is given.
    """

    def run(part: Sequence[Query]) -> list[Tensor]:
        with fast_products(backbone.device, backbone.dtype):
            return _run(backbone, Batch.of(part, backbone.device), pre=pre)

    step = max(1, _TOKENS // len(queries[0].input_ids))
    batches = [queries[begin : begin + step] for begin in range(0, len(queries), step)]
    found = [values for batch in batches for values in in_parts(batch, run, what=f"the baselines of {backbone.name}")]
    return [torch.cat(values) for values in zip(*found, strict=True)]


def _run(backbone: Backbone, batch: Batch, *, pre: bool) -> list[Tensor]:
    seen: list[Tensor] = []
    rows = torch.arange(len(batch.queries))
    targets = torch.tensor([query.target_positions for query in batch.queries])

    def keep(value: Tensor) -> None:
        value = value.reshape(len(batch.queries), -1, value.shape[-1])
        where = places(backbone, batch, len(seen), rows, targets)
        seen.append(value[rows[:, None].to(value.device), where.to(value.device)])
        if len(seen) == backbone.layer_count:
            raise Reached

    def entering(module: nn.Module, inputs: tuple[Tensor]) -> None:
        keep(inputs[0])

    hooks = [before(layer.down, entering) for layer in backbone.layers]
    if pre:
        hooks = [hook for number in range(backbone.layer_count) for hook in reading(backbone, number, keep)]
    with hooked(hooks):
        try:
            backbone.to_head(batch)
        except Reached:
            return seen
    raise BadModel(f"{backbone.name}: a forward pass does not visit every layer once")
