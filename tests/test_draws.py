"""Draws by name: fixed values (runs and edits made before must be drawn again alike), and bounded samples."""

from __future__ import annotations

import random

from factneurons.draws import as_number, bounded_sample, random_numbers, rank


def test_fixed_values():
    assert rank("42/capital/france") == "2464e1606f32bc3436ce86d52fcfadf727f0dbaf5b5680ebc0e9977b0b53cc77"
    assert random_numbers("42/capital/france").integers(1000, size=4).tolist() == [253, 226, 163, 215]
    assert as_number("ab") == 0x6162


def test_a_bounded_sample_is_the_smallest_ranks_of_every_group_in_any_order():
    items = [f"{group}{number}" for group in "abc" for number in range(20)]

    def sample(order, most=5):
        return bounded_sample(order, name=str, group=lambda item: item[0], most=most)

    shuffled = items[:]
    random.Random(0).shuffle(shuffled)
    for group in "abc":
        own = [item for item in sample(shuffled) if item[0] == group]
        assert own == sorted((item for item in items if item[0] == group), key=rank)[:5]
    assert sorted(sample(items, most=99)) == sorted(items)
