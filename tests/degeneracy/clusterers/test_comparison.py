"""Every clusterer on distances whose clusters are known, and on distances that say nothing."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as options
from hypothesis import strategies as st
from sklearn.cluster import AgglomerativeClustering, KMeans, SpectralClustering

from factneurons.degeneracy.clusterers.comparison import estimated
from factneurons.degeneracy.clusterers.registry import CLUSTERERS
from factneurons.degeneracy.settings import ComparisonSettings, DegeneracySettings
from factneurons.degeneracy.types import REASONS
from factneurons.errors import BadSetting
from factneurons.models.questions import answered
from factneurons.models.types import Neuron

DEFAULT = DegeneracySettings()
CLEAR = replace(DEFAULT, comparison=ComparisonSettings(cut=0.2, radius=1.0))
"""A cut below what separates groups, and every nearest neighbour near."""


@pytest.mark.parametrize("far", [9.0, np.inf])
@pytest.mark.parametrize("name", ["ntc", "hierarchical", "dbscan", "kmeans", "hdbscan"])
def test_two_groups(cluster, name, far, groups_apart, members):
    settings = replace(DEFAULT, comparison=ComparisonSettings(cut=0.45))
    found = cluster(name, groups_apart(6, 6, far=far, noise=0 if name == "dbscan" else 0.05), settings)
    assert members(found) == [(0, 1, 2, 3, 4, 5), (6, 7, 8, 9, 10, 11)]
    assert found.reason == ""
    assert found.neurons is None


@pytest.mark.parametrize("name", ["ntc", "hierarchical", "dbscan", "hdbscan"])
def test_three_groups(cluster, name, groups_apart, members):
    settings = replace(CLEAR, min_size=3, comparison=ComparisonSettings(cut=0.28, radius=1.0, neighbours=0.2))
    found = cluster(name, groups_apart(4, 5, 6), settings)
    assert members(found) == [(0, 1, 2, 3), (4, 5, 6, 7, 8), (9, 10, 11, 12, 13, 14)]


def test_kmeans_makes_a_share_of_the_neurons_into_clusters(cluster, groups_apart, members):
    distances = groups_apart(10, 10, 10)
    assert members(cluster("kmeans", distances)) == [tuple(range(10)), tuple(range(10, 20)), tuple(range(20, 30))]
    fewer = replace(DEFAULT, comparison=ComparisonSettings(parts=0.02))
    assert len(members(cluster("kmeans", distances, fewer))) == 2


def test_hierarchical_cuts_at_a_quantile_of_all_pairs(cluster, groups_apart, members):
    """Of 66 pairs 30 are near. A cut among the near ones splits the groups, one above all makes one cluster."""
    distances = groups_apart(6, 6)
    above = replace(DEFAULT, comparison=ComparisonSettings(cut=1.0))
    assert cluster("hierarchical", distances, above).reason == "one-cluster"
    below = replace(DEFAULT, comparison=ComparisonSettings(cut=0.1))
    assert all(len(group) < 6 for group in members(cluster("hierarchical", distances, below)))


def test_hierarchical_is_average_linkage(cluster, members):
    """0-1 at 1, 2-3 at 1; 4 is 2 and 6 from the first pair (4 on average), 5 from both of the second."""
    distances = np.full((5, 5), 20.0)
    for first, second, distance in [(0, 1, 1), (2, 3, 1), (0, 4, 2), (1, 4, 6), (2, 4, 5), (3, 4, 5)]:
        distances[first, second] = distances[second, first] = distance
    np.fill_diagonal(distances, 0)
    cut = replace(DEFAULT, comparison=ComparisonSettings(cut=0.5))  # the pairs' median is 5.5
    assert members(cluster("hierarchical", distances, cut)) == [(0, 1, 4), (2, 3)]


@pytest.mark.parametrize("name", ["hierarchical", "dbscan", "hdbscan"])
def test_what_is_far_from_all_belongs_to_nothing(cluster, name, groups_apart, members):
    distances = groups_apart(5, 5, 1)
    distances[10, :10] = distances[:10, 10] = 40
    settings = replace(DEFAULT, comparison=ComparisonSettings(cut=0.36, radius=0.9))
    assert members(cluster(name, distances, settings)) == [(0, 1, 2, 3, 4), (5, 6, 7, 8, 9)]


def test_dbscan_takes_the_median_nearest_neighbour_as_near(cluster, members):
    """The first four are 1 from their nearest neighbour, the others 3: the median of eight is 2."""
    distances = np.full((8, 8), 9.0)
    for first, second, distance in [(0, 1, 1), (2, 3, 1), (4, 5, 3), (6, 7, 3), (0, 2, 2)]:
        distances[first, second] = distances[second, first] = distance
    np.fill_diagonal(distances, 0)
    assert cluster("dbscan", distances).reason == "one-cluster", "0 and 2 are near, too"
    nearer = replace(DEFAULT, comparison=ComparisonSettings(radius=0.4))
    assert members(cluster("dbscan", distances, nearer)) == [(0, 1), (2, 3)]
    all_near = replace(DEFAULT, comparison=ComparisonSettings(radius=1.0))
    assert members(cluster("dbscan", distances, all_near)) == [(0, 1, 2, 3), (4, 5), (6, 7)]


def test_dbscan_wants_dense_regions(cluster, groups_apart, members):
    """Of 40 neurons 20 are in pairs; where a region needs 3, the pairs are noise."""
    distances = groups_apart(10, 10, *[2] * 10)
    dense = replace(DEFAULT, comparison=ComparisonSettings(neighbours=0.08, radius=1.0))
    assert len(members(cluster("dbscan", distances, dense))) == 2
    assert len(members(cluster("dbscan", distances, CLEAR))) == 12


def test_missing_distances_are_replaced(cluster, groups_apart, members):
    """Three groups of which the third is connected with nothing outside, at a cut between near and far."""
    distances = groups_apart(4, 4, 4, far=3.0)
    distances[8:, :8] = distances[:8, 8:] = np.inf
    all_far = replace(DEFAULT, comparison=ComparisonSettings(cut=0.5))
    assert members(cluster("hierarchical", distances, all_far)) == [(0, 1, 2, 3, 4, 5, 6, 7), (8, 9, 10, 11)]
    near = replace(DEFAULT, comparison=ComparisonSettings(cut=0.5, missing=0.5))
    assert (8, 9, 10, 11) not in members(cluster("hierarchical", distances, near))
    as_released = replace(DEFAULT, comparison=ComparisonSettings(cut=0.5, missing=1000.0))
    assert members(cluster("hierarchical", distances, as_released))[-1] == (8, 9, 10, 11)


@pytest.mark.parametrize("name", ["hierarchical", "dbscan", "kmeans", "hdbscan", "pairs"])
def test_small_clusters_are_left_out(cluster, name, groups_apart, members):
    found = cluster(name, groups_apart(7, 7), replace(DEFAULT, min_size=7))
    assert all(len(group) >= 7 for group in members(found))
    assert cluster(name, groups_apart(6, 6), replace(DEFAULT, min_size=7)).reason == "too-few-neurons"


@pytest.mark.parametrize("name", list(CLUSTERERS))
@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_too_few_neurons(cluster, name, count):
    for distances in (np.ones((count, count)) - np.eye(count), np.where(np.eye(count, dtype=bool), 0, np.inf)):
        found = cluster(name, distances)
        assert found.reason in REASONS
        assert len(found.clusters) < 2


@pytest.mark.parametrize("name", ["ntc", "ntc_authors", "hierarchical", "dbscan", "kmeans", "hdbscan"])
def test_nothing_is_connected(cluster, name):
    found = cluster(name, np.where(np.eye(8, dtype=bool), 0, np.inf))
    assert (found.reason, found.clusters) == ("no-finite-distance", ())


@pytest.mark.parametrize("name", list(CLUSTERERS))
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_equal_distances_raise_nothing(cluster, name, value):
    found = cluster(name, value * (np.ones((8, 8)) - np.eye(8)))
    assert found.reason in {"", *REASONS}
    assert (len(found.clusters) < 2) == bool(found.reason)


@pytest.mark.parametrize("name", list(CLUSTERERS))
@given(seed=st.integers(0, 10_000), count=st.integers(0, 16), infinite=st.sampled_from([0.0, 0.5, 0.95]))
@options(deadline=None, max_examples=15)
def test_clusters_are_disjoint_and_large_enough(name, context_of, seed, count, infinite, members):
    rng = np.random.default_rng(seed)
    upper = np.triu(rng.integers(1, 9, (count, count)) / 4.0, 1)
    upper[np.triu(rng.random((count, count)) < infinite, 1)] = np.inf
    settings = replace(DEFAULT, min_size=2 + seed % 2)
    found = answered(CLUSTERERS[name].cluster(context_of(upper + upper.T, seed=seed), settings))
    held = [member for group in members(found) for member in group]
    assert len(held) == len(set(held))
    assert set(held) <= set(range(count))
    assert all(len(group) >= settings.min_size for group in members(found))
    assert members(found) == sorted(members(found))
    assert found.reason in {"", *REASONS}
    assert found.reason == "" if len(found.clusters) > 1 else found.reason != ""


@pytest.mark.parametrize("name", ["ntc", "hierarchical", "hdbscan"])
@given(seed=st.integers(0, 10_000))
@options(deadline=None, max_examples=25)
def test_permuting_neurons_permutes_clusters(name, context_of, seed, members):
    """Where all distances differ; ties may fall either way in the order of the neurons."""
    rng = np.random.default_rng(seed)
    upper = np.triu(rng.lognormal(size=(14, 14)), 1)
    distances = upper + upper.T
    order = rng.permutation(14)
    plain = members(answered(CLUSTERERS[name].cluster(context_of(distances), DEFAULT)))
    mixed = members(answered(CLUSTERERS[name].cluster(context_of(distances[np.ix_(order, order)]), DEFAULT)))
    assert sorted(tuple(sorted(order[list(group)].tolist())) for group in mixed) == plain


class _Kept:
    """Keeps what it is given, and says that the first half of the points is one cluster and the last point noise."""

    given: ClassVar = []
    n_clusters, metric, affinity = None, None, None

    def fit_predict(self, X):
        self.given.append(X)
        return [-1 if row == len(X) - 1 else int(row < len(X) / 2) for row in range(len(X))]


def test_an_object_gets_distances_affinities_or_points(groups_apart):
    distances = groups_apart(3, 4, far=np.inf)
    filled = np.where(np.isinf(distances), 1.5 * distances[np.isfinite(distances)].max(), distances)
    median = np.median(filled[np.triu_indices(7, 1)])
    for affinity, wanted in ((None, filled), ("precomputed", np.exp(-filled / median))):
        kept = _Kept()
        kept.affinity = affinity
        context = SimpleNamespace(distances=distances, neurons=(Neuron(0, 0),) * 7)
        found = estimated(kept)(context, DEFAULT)
        np.testing.assert_allclose(kept.given[-1], wanted)
        assert [each.members for each in found.clusters] == [(0, 1, 2, 3), (4, 5)]


@pytest.mark.parametrize(
    "estimator",
    [
        AgglomerativeClustering(2, metric="precomputed", linkage="average"),
        SpectralClustering(2, affinity="precomputed", random_state=0),
        KMeans(2, n_init=3, random_state=0),
    ],
)
def test_objects_of_scikit_learn_find_two_groups(estimator, groups_apart):
    context = SimpleNamespace(distances=groups_apart(6, 6), neurons=(Neuron(0, 0),) * 12)
    found = estimated(estimator)(context, DEFAULT)
    assert [each.members for each in found.clusters] == [tuple(range(6)), tuple(range(6, 12))]
    assert not hasattr(estimator, "labels_")  # a copy was fitted
    few = SimpleNamespace(distances=groups_apart(1, 0), neurons=(Neuron(0, 0),))
    assert estimated(estimator)(few, DEFAULT).reason == "too-few-neurons"


def test_what_an_object_refuses_is_one_line(groups_apart):
    context = SimpleNamespace(distances=groups_apart(6, 6), neurons=(Neuron(0, 0),) * 12)
    with pytest.raises(BadSetting, match=r"clusterer KMeans\(init=.*refuses 12 neurons"):
        estimated(KMeans(2, init="nowhere"))(context, DEFAULT)
