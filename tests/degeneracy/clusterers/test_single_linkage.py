"""The single-linkage tree against scipy, gudhi and ripser, and as a set of clusters."""

from __future__ import annotations

from itertools import combinations

import gudhi
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ripser import ripser
from scipy.cluster.hierarchy import linkage
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import squareform

from factneurons.degeneracy.clusterers.single_linkage import single_linkage
from factneurons.errors import BadNumber, BadSetting

FAR = 1e4
SEEDS = range(20)


def gudhi_deaths(distances):
    complex_ = gudhi.RipsComplex(distance_matrix=np.minimum(distances, FAR), max_edge_length=FAR)
    tree = complex_.create_simplex_tree(max_dimension=1)
    tree.compute_persistence(min_persistence=-1)
    deaths = tree.persistence_intervals_in_dimension(0)[:, 1]
    return np.sort(deaths[deaths < FAR])


def ripser_deaths(distances):
    deaths = ripser(np.minimum(distances, FAR), distance_matrix=True, maxdim=0)["dgms"][0][:, 1]
    return np.sort(deaths[deaths < FAR])


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000), st.integers(2, 20), st.integers(1, 40), st.sampled_from([0.0, 0.5, 0.9, 1.0]))
def test_merges_are_the_deaths_of_h0(random_distances, seed, count, levels, infinite):
    distances = random_distances(seed, count, levels=levels, infinite=infinite)
    merges = single_linkage(distances).merges()
    np.testing.assert_array_equal(merges, gudhi_deaths(distances))
    np.testing.assert_array_equal(merges, ripser_deaths(distances))
    binary = linkage(squareform(np.minimum(distances, FAR)), "single")[:, 2]
    np.testing.assert_array_equal(merges, binary[binary < FAR])


@pytest.mark.parametrize("seed", SEEDS)
def test_merges_without_ties(seed):
    distances = squareform(np.random.default_rng(seed).lognormal(sigma=3, size=190))
    merges = single_linkage(distances).merges()
    np.testing.assert_array_equal(merges, gudhi_deaths(distances))
    np.testing.assert_allclose(merges, ripser_deaths(distances), rtol=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_merges_at_distance_zero(seed, random_distances):
    distances = random_distances(seed, 10, least=0, levels=4)
    np.testing.assert_array_equal(single_linkage(distances).merges(), gudhi_deaths(distances))


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 14), st.sampled_from([0.0, 0.6, 1.0]))
def test_clusters_are_the_connected_parts_at_every_radius(random_distances_of, seed, count, infinite):
    distances = random_distances_of(seed, count, infinite=infinite)
    tree = single_linkage(distances)
    found = {(tree.members(node), tree.birth[node], tree.death[node]) for node in tree.clusters}
    assert len(found) == len(tree.clusters)
    radii = np.unique(distances[np.isfinite(distances) & (distances > 0)])
    alive: dict[tuple[int, ...], list[float]] = {}
    for radius in radii:
        _, labels = connected_components(distances <= radius)
        for label in np.unique(labels):
            members = tuple(np.nonzero(labels == label)[0].tolist())
            if len(members) > 1:
                alive.setdefault(members, []).append(radius)
    expected = set()
    for members, lived in alive.items():
        later = radii[radii > lived[-1]]
        death = later[0] if lived[-1] < radii[-1] else tree.r_max
        expected.add((members, lived[0], death))
    assert found == expected


@pytest.fixture(scope="module")
def random_distances_of():
    def make(seed, count, *, infinite):
        rng = np.random.default_rng(seed)
        values = rng.integers(1, 7, count * (count - 1) // 2) / 4.0
        values[rng.random(len(values)) < infinite] = np.inf
        return squareform(values) if count > 1 else np.zeros((count, count))

    return make


def test_equal_distances_merge_at_one_moment():
    distances = np.ones((4, 4)) - np.eye(4)
    tree = single_linkage(distances)
    assert list(tree.clusters) == [4]
    assert tree.children[4] == (0, 1, 2, 3)
    assert (tree.birth[4], tree.death[4]) == (1, 2)
    np.testing.assert_array_equal(tree.merges(), [1, 1, 1])


def test_growth_stops_at_r_max(random_distances):
    distances = random_distances(1, 12, infinite=0.0, levels=30)
    full = single_linkage(distances)
    stop = float(np.median(full.merges()))
    tree = single_linkage(distances, r_max=stop)
    np.testing.assert_array_equal(tree.merges(), full.merges()[full.merges() <= stop])
    assert all(tree.death[root] == stop for root in tree.roots)
    assert full.r_max == 2 * full.merges()[-1]


@settings(deadline=None)
@given(st.integers(0, 10_000))
def test_clusters_are_nested_or_disjoint(random_distances_of, seed):
    tree = single_linkage(random_distances_of(seed, 12, infinite=0.3))
    members = [set(tree.members(node)) for node in tree.clusters]
    assert all(a <= b or b <= a or not a & b for a, b in combinations(members, 2))
    assert sorted(tree.order) == list(range(12))
    assert sum(tree.size(root) for root in tree.roots) == 12


def test_bad_distances_are_refused():
    with pytest.raises(BadSetting, match="square"):
        single_linkage(np.zeros((2, 3)))
    with pytest.raises(BadSetting, match="symmetric"):
        single_linkage(np.array([[0.0, 1.0], [2.0, 0.0]]))
    with pytest.raises(BadSetting, match="diagonal"):
        single_linkage(np.ones((2, 2)))
    for bad in (-1.0, np.nan):
        with pytest.raises(BadNumber, match="negative or NaN"):
            single_linkage(np.array([[0.0, bad], [bad, 0.0]]))
