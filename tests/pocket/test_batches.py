from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from factneurons.pocket.batches import add_noise, collate, epoch_order
from factneurons.pocket.encoding import EncodedExample


def test_an_epoch_holds_every_example_once_and_depends_on_seed_and_epoch() -> None:
    lengths = list(np.random.default_rng(0).integers(3, 30, 103))
    order = epoch_order(lengths, 10, seed=1, epoch=0)
    assert sorted(np.concatenate(order).tolist()) == list(range(103))
    assert all(np.ptp(np.asarray(lengths)[batch]) <= 6 for batch in order)
    again = epoch_order(lengths, 10, seed=1, epoch=0)
    assert all(np.array_equal(a, b) for a, b in zip(order, again, strict=True))
    other = np.concatenate(epoch_order(lengths, 10, seed=1, epoch=1))
    assert not np.array_equal(np.concatenate(order), other)


@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=40), size=st.integers(1, 7), seed=st.integers(0, 99))
def test_batches_are_full_but_one(lengths, size, seed):
    order = epoch_order(lengths, size, seed, epoch=3)
    assert sorted(np.concatenate(order)) == list(range(len(lengths)))
    assert sum(len(batch) < size for batch in order) <= 1


EXAMPLES = st.lists(st.integers(1, 6), min_size=1, max_size=5).map(
    lambda lengths: [
        EncodedExample(tuple(range(1, length + 1)), tuple(range(length)), (9,) * length, (0.5,) * length, noisy=(0,))
        for length in lengths
    ]
)


@given(examples=EXAMPLES)
def test_examples_stand_in_their_rows_and_the_padding_asks_nothing(examples):
    batch = collate(examples, pad=0)
    assert batch.attention_mask.sum(1).tolist() == [len(example.input_ids) for example in examples]
    assert ((batch.input_ids == 0) == (batch.attention_mask == 0)).all()
    asked = [(row, place) for row, example in enumerate(examples) for place in example.positions]
    assert list(zip(batch.rows.tolist(), batch.columns.tolist(), strict=True)) == asked
    assert batch.attention_mask[batch.rows, batch.columns].all()
    assert batch.labels.tolist() == [9] * len(asked)
    assert batch.weights.tolist() == [0.5] * len(asked)


def test_noise_touches_context_tokens_only() -> None:
    example = EncodedExample((1, 2, 3, 4, 5, 6), (5,), (7,), (1.0,), noisy=(1, 2, 3))
    batch = collate([example] * 200, pad=0)
    add_noise(batch, [example] * 200, 0.5, 1000, seed=3, step=5)
    changed = (batch.input_ids != collate([example] * 200, pad=0).input_ids).float().mean(0)
    assert changed[[0, 4, 5]].sum() == 0
    assert all(0.35 < share < 0.65 for share in changed[1:4].tolist())


def test_noise_follows_the_seed_and_the_step():
    example = EncodedExample(tuple(range(20)), (), (), (), noisy=tuple(range(20)))
    made = []
    for seed, step in ((1, 1), (1, 1), (1, 2), (2, 1)):
        batch = collate([example], pad=0)
        add_noise(batch, [example], 0.5, 1000, seed, step)
        made.append(batch.input_ids.tolist())
    assert made[0] == made[1]
    assert made[0] not in made[2:]
