"""Captures are kept while there is room, and every wanted query is in one."""

from __future__ import annotations

import pytest

from factneurons.models.passes import captures
from factneurons.models.passes.captures import Captures


@pytest.fixture
def asked(shared_model, new_query):
    model = shared_model("gpt2")
    sizes = [(4, 1), (9, 2), (6, 1), (5, 2)]
    return model, [new_query("causal", tokens=t, answer=a, seed=seed) for seed, (t, a) in enumerate(sizes)]


def rows_of(found):
    return {query: (captured, row) for captured, rows in found for query, row in rows.items()}


def test_every_query_is_in_one_with_its_own_row(asked):
    model, queries = asked
    found = rows_of(Captures(model.backbone).of([*queries, queries[0]]))
    assert set(found) == set(queries)
    for query, (captured, row) in found.items():
        assert captured.batch.queries[row] == query
        assert captured.targets[row].tolist() == list(query.answer_ids)


def test_they_are_kept_unless_they_are_not_to_be(asked):
    model, queries = asked
    kept, forgotten = Captures(model.backbone), Captures(model.backbone, kept=False)
    for store, same in ((kept, True), (forgotten, False)):
        first, again = rows_of(store.of(queries)), rows_of(store.of(queries[:2]))
        assert all((again[query][0] is first[query][0]) == same for query in queries[:2])


def test_the_oldest_goes_when_the_budget_is_used_up(asked, monkeypatch):
    model, queries = asked
    store = Captures(model.backbone)
    ((one, _),) = store.of(queries[1:2])
    size = sum(tensor.numel() * tensor.element_size() for tensor in captures._tensors(one))
    for room, kept in ((10 * size, True), (size, False), (1, False)):
        monkeypatch.setattr(captures, "budget_bytes", lambda _, room=room: room)
        store = Captures(model.backbone)
        first = rows_of(store.of(queries[:1]))
        list(store.of(queries[1:2]))
        again = rows_of(store.of(queries[:1]))
        assert (again[queries[0]][0] is first[queries[0]][0]) == kept
