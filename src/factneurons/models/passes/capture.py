"""What one pass over unchanged prompts leaves behind, so that changed rows need not repeat it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache

from factneurons.errors import MODEL_ERRORS
from factneurons.models.backbone import Backbone
from factneurons.models.batches import Batch
from factneurons.models.hooks import Registration, after, before, stream_of
from factneurons.models.passes.inward import Inward, reading
from factneurons.models.passes.matmul import fast_products
from factneurons.models.types import Query


@dataclass(slots=True)
class Capture:
    """Values at the target positions of I items, and what is shared by every row that starts from them.

    An item is a query at n neighbouring target positions: at one of them for attribution (n = 1), at all of
    them for interventions.

    Attributes:
        batch: the queries that were run.
        rows: [I], the batch row of each item.
        positions: [I, n], target positions.
        targets: [I, n], the answer's token ids at these positions.
        against: [I, n], token ids whose F is taken off that of the targets; None: nothing is.
        log_probabilities: [I, n] in nats, float64.
        activations: per layer [I, n, width], the neurons' values.
        residuals: per layer [I, n, hidden], what the MLP's output is added to.
        keys, values: causal models, per layer [queries, heads, tokens, head size].
        outputs: encoders, per layer [queries, tokens, hidden], the block's output.
        inward: what the activation functions are given, where neurons are meant before them.
    """

    batch: Batch
    rows: Tensor
    positions: Tensor
    targets: Tensor
    log_probabilities: Tensor
    against: Tensor | None = None
    activations: list[Tensor] = field(default_factory=list)
    residuals: list[Tensor] = field(default_factory=list)
    keys: list[Tensor] = field(default_factory=list)
    values: list[Tensor] = field(default_factory=list)
    outputs: list[Tensor] = field(default_factory=list)
    inward: Inward | None = None

    @property
    def vectors(self) -> list[Tensor]:
        """Per layer [I, n, width], what is attributed: the neurons' values, or what stands before them."""
        return self.activations if self.inward is None else self.inward.values

    @property
    def size(self) -> int:
        """The number of items."""
        return len(self.rows)

    def goal(self, count: int = 1) -> tuple[Tensor, Tensor | None]:
        """Targets of `count` rows per item, one after the other, and what they are set against, [I * count * n]."""
        wanted, other = (
            None if ids is None else ids[:, None].expand(-1, count, -1).reshape(-1)
            for ids in (self.targets, self.against)
        )
        assert wanted is not None
        return wanted, other

    def subset(self, items: Tensor) -> Capture:
        """Some items in any order, some perhaps several times, over the same batch."""
        return replace(
            self,
            rows=self.rows[items],
            positions=self.positions[items],
            targets=self.targets[items],
            against=None if self.against is None else self.against[items],
            log_probabilities=self.log_probabilities[items.to(self.log_probabilities.device)],
            activations=[value[items.to(value.device)] for value in self.activations],  # layers may lie elsewhere
            residuals=[value[items.to(value.device)] for value in self.residuals],
            inward=None if self.inward is None else self.inward.subset(items),
        )


Item = tuple[int, tuple[int, ...]]
"""A query's row in the batch, and the indices of the answer tokens whose positions are meant."""


@torch.inference_mode(False)  # what is kept may be asked for gradients later
@torch.no_grad()
def capture(
    backbone: Backbone, queries: Sequence[Query], items: Sequence[Item], *, contrast: bool = False, pre: bool = False
) -> Capture:
    """Run queries once and keep what rows that change only these items' target positions can share.

    Args:
        backbone: the network.
        queries: what goes into one batch (`batches.groups`).
        items: a query's row in the batch, and the answer's tokens that are meant.
        contrast: whether targets are set against the token ids that the queries name (n = 1).
        pre: whether neurons are meant before their activation function.

    Raises:
        BadModel: with `pre`, their values do not follow from what stands there.
    """
    batch = Batch.of(queries, backbone.device)
    rows, positions, targets = _index(batch, items, backbone.device)
    seen = _Seen(backbone, rows, positions, batch, pre=pre)
    cache = DynamicCache() if stores_keys(backbone) else None
    with fast_products(backbone.device, backbone.dtype):
        hidden = backbone.to_head(batch, hooks=seen.registrations(), cache=cache)
        at_targets = hidden[rows[:, None].to(hidden.device), positions.to(hidden.device)]
        flat = at_targets.reshape(-1, hidden.shape[-1])
        log_probabilities = backbone.head.log_probabilities(flat, targets.reshape(-1).to(flat.device))
    if seen.inward is not None:
        seen.inward.check(backbone, seen.activation)
    others = [queries[row].against for row, _ in items] if contrast else []
    return Capture(
        batch=batch,
        rows=rows,
        positions=positions,
        targets=targets,
        against=torch.tensor([[each.token_id] for each in others if each], device=rows.device) if contrast else None,
        log_probabilities=log_probabilities.view(targets.shape),
        activations=seen.activation,
        residuals=[
            total - (own if layer.factor == 1.0 else layer.factor * own)
            for total, own, layer in zip(seen.total, seen.own, backbone.layers, strict=True)
        ],
        keys=_stored(cache, "keys"),
        values=_stored(cache, "values"),
        outputs=seen.outputs,
        inward=seen.inward,
    )


@torch.no_grad()
def stores_keys(backbone: Backbone) -> bool:
    """Whether a causal model's past is the keys and values of all of its layers and no other state; tried once.

    Hybrids of attention and recurrence want caches that are made for them, and keep what no row can start from.
    """
    if backbone.kind != "causal":
        return False
    if backbone.fast_path.stores_keys is None:
        cache, ids = DynamicCache(), torch.ones(1, 2, dtype=torch.long, device=backbone.device)
        try:
            backbone.to_head(Batch((), ids, None), cache=cache)
        except torch.OutOfMemoryError:
            raise
        except MODEL_ERRORS:
            cache.layers.clear()
        stored = [getattr(layer, "keys", None) for layer in cache.layers]
        backbone.fast_path.stores_keys = len(stored) == backbone.layer_count and all(
            isinstance(keys, Tensor) and keys.dim() == 4 and keys.shape[-2] == ids.shape[1] for keys in stored
        )
    return backbone.fast_path.stores_keys


def _index(batch: Batch, items: Sequence[Item], device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    queries = batch.queries
    rows = torch.tensor([row for row, _ in items], device=device)
    positions = [[queries[row].target_positions[token] for token in tokens] for row, tokens in items]
    targets = [[queries[row].answer_ids[token] for token in tokens] for row, tokens in items]
    return rows, torch.tensor(positions, device=device), torch.tensor(targets, device=device)


def places(backbone: Backbone, batch: Batch, layer: int, rows: Tensor, positions: Tensor) -> Tensor:
    """The positions [rows, n] that carry the neurons of a layer: the sentinel's in an encoder that feeds a decoder.

    Args:
        backbone: the network.
        batch: the queries.
        layer: the layer.
        rows: [rows], a batch row each.
        positions: [rows, n], their target positions.
    """
    if backbone.kind == "encoder-decoder" and backbone.in_encoder(layer):
        sentinels = [batch.queries[int(row)].encoder_position for row in rows]
        return torch.tensor(sentinels, device=rows.device)[:, None]
    return positions


def _stored(cache: DynamicCache | None, name: str) -> list[Tensor]:
    return [] if cache is None else [getattr(layer, name) for layer in cache.layers]


class _Seen:
    """Collects, layer by layer, what the capture keeps."""

    def __init__(self, backbone: Backbone, rows: Tensor, positions: Tensor, batch: Batch, *, pre: bool) -> None:
        count = backbone.layer_count
        self._backbone, self._rows, self._positions, self._batch = backbone, rows, positions, batch
        self.activation: list[Tensor] = [rows] * count
        self.own: list[Tensor] = [rows] * count
        self.total: list[Tensor] = [rows] * count
        self.outputs: list[Tensor] = [rows] * count if backbone.kind == "cloze" else []
        self.inward = Inward([rows] * count, [None] * count) if pre else None

    def _at(self, layer: int, value: Tensor) -> Tensor:
        value = value.reshape(len(self._batch.queries), -1, value.shape[-1])
        where = places(self._backbone, self._batch, layer, self._rows, self._positions)
        return value[self._rows[:, None].to(value.device), where.to(value.device)]

    def _keep(self, store: list[Any], layer: int) -> Callable[[Tensor], None]:
        return lambda value: store.__setitem__(layer, self._at(layer, value))

    def registrations(self) -> list[Registration]:
        hooks: list[Registration] = []
        for number, layer in enumerate(self._backbone.layers):
            hooks.append(before(layer.down, _first_input(self._keep(self.activation, number))))
            hooks.append(after(layer.after_mlp or layer.down, _output(self._keep(self.own, number))))
            keep_total = self._keep(self.total, number)
            if layer.after_residual is not None:
                hooks.append(before(layer.after_residual, _first_input(keep_total)))
            else:
                hooks.append(after(layer.block, _output(keep_total)))
            if self.inward is not None:
                keep, keep_factor = (self._keep(part, number) for part in (self.inward.values, self.inward.factors))
                hooks += reading(self._backbone, number, keep, keep_factor)
            if self.outputs:
                hooks.append(after(layer.block, _output(partial(self.outputs.__setitem__, number))))
        return hooks


def _first_input(keep: Callable[[Tensor], None]) -> Callable[..., None]:
    return lambda module, inputs: keep(inputs[0])


def _output(keep: Callable[[Tensor], None]) -> Callable[..., None]:
    return lambda module, inputs, output: keep(stream_of(output))
