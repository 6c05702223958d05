"""The degeneracy index by hand, and means over subsets against all subsets."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factneurons.degeneracy.indices import degeneracy_index, mean_of_proper_subsets


def test_degeneracy_index_is_clipped_and_undefined_without_a_loss():
    assert degeneracy_index(0.5, np.array([-0.1, -0.2])) == 1
    assert degeneracy_index(0.5, np.array([0.9, 0.8])) == 0
    assert degeneracy_index(0.8, np.array([0.2, 0.6])) == 0.5
    assert np.isnan(degeneracy_index(0.0, np.array([0.0])))
    assert np.isnan(degeneracy_index(-0.1, np.array([0.0])))


@given(st.integers(2, 7), st.integers(0, 1000))
def test_mean_of_proper_subsets_is_that_of_all_of_them(count, seed):
    value = np.random.default_rng(seed).random(2**count)
    subsets = [subset for size in range(1, count + 1) for subset in combinations(range(count), size)]
    drop = {subset: value[sum(2**place for place in subset)] for subset in subsets}
    means = [np.mean([drop[s] for s in subsets if len(s) == size]) for size in range(1, count + 1)]
    assert mean_of_proper_subsets(means) == pytest.approx(np.mean([drop[s] for s in subsets if len(s) < count]))
