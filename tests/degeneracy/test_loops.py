"""Loops against hand-made rings and against ripser."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ripser import ripser
from scipy.spatial.distance import squareform

from factneurons.degeneracy.loops import find_loops
from factneurons.errors import BadSetting


def ring(count, *, side=1.0):
    """Points in a circle of edges; nothing else is connected."""
    distances = np.full((count, count), np.inf)
    np.fill_diagonal(distances, 0)
    for place in range(count):
        distances[place, (place + 1) % count] = distances[(place + 1) % count, place] = side
    return distances


def test_a_ring_that_nothing_fills():
    found = find_loops(ring(5))
    assert (found.birth.tolist(), found.death.tolist(), found.r_max) == ([1], [2], 2)
    assert (found.count, found.total_persistence) == (1, 1)
    assert find_loops(ring(5), r_max=7).total_persistence == 6
    assert find_loops(ring(5), r_max=0.5).count == 0


def test_a_square_is_filled_by_its_diagonal():
    distances = ring(4)
    distances[0, 2] = distances[2, 0] = 3
    found = find_loops(distances)
    assert (found.birth.tolist(), found.death.tolist()) == ([1], [3])


@pytest.mark.parametrize("distances", [np.zeros((0, 0)), np.zeros((1, 1)), ring(3), np.zeros((6, 6))])
def test_no_loop(distances):
    found = find_loops(distances)
    assert (found.count, found.total_persistence) == (0, 0)


def test_nothing_is_connected():
    distances = np.where(np.eye(5, dtype=bool), 0, np.inf)
    assert (find_loops(distances).count, find_loops(distances).r_max) == (0, 0)


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(3, 14), st.sampled_from([0.0, 0.4, 0.7]))
def test_equals_ripser(seed, count, infinite):
    rng = np.random.default_rng(seed)
    pairs = rng.integers(1, 20, count * (count - 1) // 2) / 4.0
    pairs[rng.random(len(pairs)) < infinite] = np.inf
    distances = squareform(pairs)
    found = find_loops(distances)
    far = np.where(np.isfinite(distances), distances, 1000.0)
    oracle = ripser(far, distance_matrix=True, maxdim=1, thresh=max(found.r_max, 0.25))["dgms"][1]
    expected = sorted((birth, min(death, found.r_max)) for birth, death in oracle.astype(float).tolist())
    assert list(zip(found.birth.tolist(), found.death.tolist(), strict=True)) == expected


def test_without_the_extra_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "gudhi", None)
    with pytest.raises(BadSetting, match=r"factneurons\[topology\]"):
        find_loops(ring(4))


def test_bad_distances_are_refused():
    with pytest.raises(BadSetting, match="symmetric"):
        find_loops(np.array([[0.0, 1.0], [2.0, 0.0]]))
