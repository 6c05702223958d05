"""Queries side by side in tensors. Causal models are padded on the right, where nothing looks; others not at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from factneurons.models.types import Query


@dataclass(frozen=True, slots=True)
class Batch:
    """Token ids of several queries, [queries, tokens], and of the decoder where there is one."""

    queries: tuple[Query, ...]
    input_ids: Tensor
    decoder_input_ids: Tensor | None

    @classmethod
    def of(cls, queries: Sequence[Query], device: torch.device) -> Batch:
        """Collate queries; those of cloze and encoder-decoder models must be equally long (`groups`)."""
        decoder = [query.decoder_input_ids for query in queries]
        return cls(
            queries=tuple(queries),
            input_ids=_padded([query.input_ids for query in queries], device),
            decoder_input_ids=_padded(decoder, device) if any(decoder) else None,
        )

    def positions_mask(self, *, encoder: bool) -> Tensor:
        """Where the queries' neurons are meant, [queries, tokens] of bool (`Query.places`)."""
        ids = self.input_ids if self.decoder_input_ids is None or encoder else self.decoder_input_ids
        mask = torch.zeros(ids.shape, dtype=torch.bool, device=ids.device)
        for row, query in enumerate(self.queries):
            mask[row, list(query.places(encoder=encoder))] = True
        return mask


def _padded(rows: Sequence[Sequence[int]], device: torch.device) -> Tensor:
    """Rows of one length, filled up on the right with their own first token: any token that is no pad will do."""
    longest = max(len(row) for row in rows)
    return torch.tensor([[*row, *[row[0]] * (longest - len(row))] for row in rows], device=device)


def groups(queries: Sequence[Query], *, causal: bool, tokens: int) -> Iterator[list[int]]:
    """Indices of queries that go into one batch: of similar length, at most `tokens` tokens together.

    Without causality padding would be looked at, so only queries of equal lengths share a batch.
    """

    def shape(index: int) -> tuple[int, int, int]:
        query = queries[index]
        return len(query.input_ids), len(query.decoder_input_ids), len(query.answer_ids)

    batch: list[int] = []
    for index in sorted(range(len(queries)), key=shape):
        longer = batch and not causal and shape(batch[0])[:2] != shape(index)[:2]
        full = batch and (len(batch) + 1) * (shape(index)[0] + shape(index)[1]) > tokens
        if longer or full:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
