"""Counts add up like numbers: in any order, in any grouping, from nothing."""

from __future__ import annotations

from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from factneurons.runs.counts import Counts

NUMBER = st.integers(0, 9)
REASONS = st.dictionaries(st.sampled_from("abc"), st.integers(1, 9))
COUNTS = st.builds(Counts, NUMBER, NUMBER, NUMBER, REASONS, REASONS, REASONS)


@given(parts=st.lists(COUNTS, min_size=2, max_size=5))
def test_the_order_of_commits_does_not_matter(parts):
    total = reduce(Counts.__add__, parts)
    assert reduce(Counts.__add__, reversed(parts)) == total
    assert total.read == sum(part.read for part in parts)
    for reason in "abc":
        assert total.skipped.get(reason, 0) == sum(part.skipped.get(reason, 0) for part in parts)


@given(counts=COUNTS)
def test_nothing_adds_nothing(counts):
    assert counts + Counts() == Counts() + counts == counts
    assert list((counts + Counts()).rows) == sorted(counts.rows)
