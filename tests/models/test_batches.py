"""Queries side by side: every one once, padding only where nothing looks, passes of bounded size."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from factneurons.facts.types import Prompt
from factneurons.models.batches import Batch, groups
from factneurons.models.types import Query

CPU = torch.device("cpu")


def query(length, decoder=0, answer=1):
    first = max(length - answer, 0)
    ids = tuple(range(10, 10 + length))
    targets = tuple(range(1, 1 + answer)) if decoder else tuple(range(first, first + answer))
    return Query(
        Prompt("a ___"), "b", ids, targets, tuple(range(answer)), (), (), tuple(range(decoder)), 0 if decoder else None
    )


lengths = st.lists(st.tuples(st.integers(1, 12), st.sampled_from([0, 2, 3])), max_size=20)


@settings(deadline=None)
@given(lengths, st.booleans(), st.integers(1, 60))
def test_every_query_once_in_passes_of_bounded_size(shapes, causal, tokens):
    queries = [query(length, 0 if causal else decoder) for length, decoder in shapes]
    found = list(groups(queries, causal=causal, tokens=tokens))
    assert sorted(index for group in found for index in group) == list(range(len(queries)))
    for group in found:
        longest = max(len(queries[i].input_ids) + len(queries[i].decoder_input_ids) for i in group)
        assert len(group) == 1 or len(group) * longest <= tokens
        if not causal:
            assert len({(len(queries[i].input_ids), len(queries[i].decoder_input_ids)) for i in group}) == 1


def test_passes_are_filled():
    queries = [query(5) for _ in range(10)]
    assert [len(group) for group in groups(queries, causal=True, tokens=20)] == [4, 4, 2]
    assert [len(group) for group in groups(queries, causal=False, tokens=1000)] == [10]
    assert [len(group) for group in groups(queries, causal=True, tokens=1)] == [1] * 10


def test_padding_is_on_the_right():
    batch = Batch.of([query(4), query(2)], CPU)
    assert batch.input_ids.shape == (2, 4)
    assert batch.input_ids[1, :2].tolist() == [10, 11]
    assert batch.decoder_input_ids is None


@pytest.mark.parametrize("family", ["gpt2", "llama", "opt", "bloom", "gpt_neo"])
def test_padding_changes_no_probability(family, new_query, shared_model, slow_reference):
    model, slow = shared_model(family), slow_reference(shared_model(family), family)
    queries = [new_query("causal", tokens=n, answer=a, seed=n) for n, a in ((9, 1), (2, 3), (5, 2), (1, 1))]
    flat = model.log_probabilities(queries)
    assert flat == pytest.approx(
        [slow.log_probability(one) for one in queries], abs=1e-5 if family == "gpt_neo" else 1e-9
    )


def test_masks_mark_targets_and_sentinels():
    plain = Batch.of([query(4, answer=2), query(3)], CPU)
    expected = [[False, False, True, True], [False, False, True, False]]
    assert plain.positions_mask(encoder=False).tolist() == expected
    assert plain.positions_mask(encoder=True).tolist() == expected
    paired = Batch.of([query(4, decoder=3, answer=2), query(4, decoder=3)], CPU)
    assert paired.positions_mask(encoder=True).tolist() == [[True, False, False, False]] * 2
    assert paired.positions_mask(encoder=False).tolist() == [[False, True, True], [False, True, False]]
