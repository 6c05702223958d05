"""Counts add up."""

from factneurons.runs.counts import Counts


def test_counts_add_up_name_by_name():
    first = Counts(3, 2, 1, {"blank": 1}, {"prompt": 2}, {"facts": 1})
    second = Counts(2, 2, 2, {"blank": 1, "date": 1}, {}, {"facts": 2, "neurons": 9})
    both = Counts(5, 4, 3, {"blank": 2, "date": 1}, {"prompt": 2}, {"facts": 3, "neurons": 9})
    assert first + second == second + first == both
    assert both + Counts() == both
