"""Captures of many queries, kept while questions about them follow each other."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence

from torch import Tensor

from factneurons.models.backbone import Backbone
from factneurons.models.batches import groups
from factneurons.models.passes.capture import Capture, capture
from factneurons.models.passes.memory import budget_bytes, in_parts
from factneurons.models.types import Query

_TOKENS = 1024
"""Tokens of the prompts that are captured together."""


class Captures:
    """What was captured of queries at all their target positions; the oldest goes when a budget is used up.

    Nothing that changes the model may be opened or closed while captures are kept.

    Args:
        backbone: the network.
        kept: whether they are kept at all; else every question runs its prompts anew.
    """

    def __init__(self, backbone: Backbone, *, kept: bool = True) -> None:
        self._backbone, self._kept = backbone, kept
        self._places: dict[Query, tuple[int, int]] = {}
        self._captures: OrderedDict[int, tuple[Capture, int]] = OrderedDict()
        self._made = self._bytes = 0

    def of(self, queries: Sequence[Query]) -> Iterator[tuple[Capture, dict[Query, int]]]:
        """One capture after the other until every query was in one, with its wanted queries and their rows in it.

        The queries of one capture have equally many answer tokens, and share passes.
        """
        wanted = list(dict.fromkeys(queries))
        known: dict[int, dict[Query, int]] = {}
        for query in wanted:
            if query in self._places:
                number, row = self._places[query]
                known.setdefault(number, {})[query] = row
        for number, rows in known.items():
            self._captures.move_to_end(number)
            yield self._captures[number][0], rows
        missing = [query for query in wanted if query not in self._places]
        for together in _of_one_shape(missing, causal=self._backbone.kind == "causal"):
            parts = in_parts(together, self._capture, what=f"interventions on {self._backbone.name}")
            for captured in parts:
                yield captured, {query: row for row, query in enumerate(captured.batch.queries)}

    def _capture(self, queries: Sequence[Query]) -> Capture:
        tokens = tuple(range(len(queries[0].answer_ids)))
        captured = capture(self._backbone, queries, [(row, tokens) for row in range(len(queries))])
        if self._kept:
            self._keep(captured)
        return captured

    def _keep(self, captured: Capture) -> None:
        size = sum(tensor.numel() * tensor.element_size() for tensor in _tensors(captured))
        most = budget_bytes(self._backbone)
        if size > most:
            return
        while self._bytes + size > most:
            _, (oldest, freed) = self._captures.popitem(last=False)
            self._bytes -= freed
            for query in oldest.batch.queries:
                del self._places[query]
        self._made += 1
        self._bytes += size
        self._captures[self._made] = captured, size
        self._places.update({query: (self._made, row) for row, query in enumerate(captured.batch.queries)})


def _tensors(captured: Capture) -> Iterable[Tensor]:
    for stored in (captured.activations, captured.residuals, captured.keys, captured.values, captured.outputs):
        yield from stored


def _of_one_shape(queries: Sequence[Query], *, causal: bool) -> Iterator[list[Query]]:
    """Queries with equally many answer tokens, which can be run side by side."""
    by_answer: dict[int, list[Query]] = {}
    for query in queries:
        by_answer.setdefault(len(query.answer_ids), []).append(query)
    for same in by_answer.values():
        for indices in groups(same, causal=causal, tokens=_TOKENS):
            yield [same[index] for index in indices]
