"""Batches: every example once, and noise where it may be."""

from __future__ import annotations

import numpy as np

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


def test_noise_touches_context_tokens_only() -> None:
    example = EncodedExample((1, 2, 3, 4, 5, 6), (5,), (7,), (1.0,), noisy=(1, 2, 3))
    batch = collate([example] * 200, pad=0)
    add_noise(batch, [example] * 200, 0.5, 1000, seed=3, step=5)
    changed = (batch.input_ids != collate([example] * 200, pad=0).input_ids).float().mean(0)
    assert changed[[0, 4, 5]].sum() == 0
    assert all(0.35 < share < 0.65 for share in changed[1:4].tolist())
