"""Neurological topology clustering: the worked examples, its properties, and the authors' variant."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain, combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as options
from hypothesis import strategies as st

from factneurons.attribution.drops import Drops
from factneurons.degeneracy.clusterers import topology
from factneurons.degeneracy.clusterers.base import Context
from factneurons.degeneracy.settings import DegeneracySettings
from factneurons.errors import BadNumber
from factneurons.models.types import Neuron

A, B, C, D, E = range(5)
DEFAULT = DegeneracySettings()
LOG = DegeneracySettings(persistence="log")


def context(distances):
    """Topology clustering reads the distances only."""
    neurons = tuple(Neuron(0, place) for place in range(len(distances)))
    return Context(distances, neurons, (1.0,) * len(neurons), Drops(len), np.random.default_rng(0), ())


def ntc(distances, settings):
    return topology.ntc(context(distances), settings)


def ntc_authors(distances, settings):
    return topology.ntc_authors(context(distances), settings)


def members(clustering):
    return [cluster.members for cluster in clustering.clusters]


def bars(clustering):
    return [(bar.members, bar.birth, bar.death) for bar in clustering.barcode]


@pytest.fixture(scope="module")
def distances_of():
    """Distances in sixteenths (sums of persistences are exact), a third of them infinite."""

    def make(seed, count=14):
        rng = np.random.default_rng(seed)
        values = rng.integers(1, 60, (count, count)) / 16.0
        values[rng.random((count, count)) < 0.3] = np.inf
        values = np.triu(values, 1)
        return values + values.T

    return make


def only_edges(distances, *edges):
    kept = np.full_like(distances, np.inf)
    np.fill_diagonal(kept, 0)
    for first, second in edges:
        kept[first, second] = kept[second, first] = distances[first, second]
    return kept


def test_worked_example_barcode(worked):
    assert bars(ntc(worked.distances, DEFAULT)) == [
        ((A, B), 0.1, 2),
        ((C, D), 0.2, 4),
        ((A, B, E), 2, 4),
        ((A, B, C, D, E), 4, 8),
    ]


def test_worked_example_linear_persistence(worked):
    found = ntc(worked.distances, DEFAULT)
    assert members(found) == [(A, B, E), (C, D)]
    assert [cluster.death - cluster.birth for cluster in found.clusters] == [2.0, 3.8]
    assert found.reason == ""
    assert [bar.chosen for bar in found.barcode] == [False, True, True, False]


def test_worked_example_log_persistence(worked):
    found = ntc(worked.distances, LOG)
    assert members(found) == [(A, B), (C, D)]
    lives = [np.log(cluster.death / cluster.birth) for cluster in found.clusters]
    np.testing.assert_allclose(lives, 3.0, atol=0.005)


def test_worked_example_with_two_edges(worked):
    found = ntc(only_edges(worked.distances, (A, B), (C, D)), DEFAULT)
    assert members(found) == [(A, B), (C, D)]
    assert {cluster.death for cluster in found.clusters} == {0.4}
    assert [cluster.death - cluster.birth for cluster in found.clusters] == pytest.approx([0.3, 0.2])


def test_worked_example_of_the_authors(worked):
    found = ntc_authors(worked.distances, DEFAULT)
    assert members(found) == [(A, B)]
    assert found.reason == "one-cluster"


def test_the_authors_variant_keeps_two_close_pairs():
    """28 distances: 6 lie below their 0.2 quantile, and the shorter 3 of these join."""
    distances = np.zeros((8, 8))
    distances[np.triu_indices(8, 1)] = 50 + np.arange(28)
    distances += distances.T
    for (first, second), distance in zip([(0, 1), (2, 3), (2, 4)], [1.0, 2.5, 3.0], strict=True):
        distances[first, second] = distances[second, first] = distance
    found = ntc_authors(distances, DEFAULT)
    assert [(bar.members, bar.birth, bar.death) for bar in found.barcode] == [((0, 1), 1, 53), ((2, 3, 4), 2.5, 53)]
    assert members(found) == [(0, 1), (2, 3, 4)], "births are 1 1 2.5 2.5 3 0 0 0: lives of 52 and 50.5, median 1"


def test_the_authors_variant_wants_more_than_the_median_of_births():
    """28 distances, 6 below their 0.2 quantile, the shorter 3 join: births 1 1 1 1 1 1 0 0, lives of 2 - 1."""
    distances = np.full((8, 8), 90.0) - 90.0 * np.eye(8)
    lengths = {(0, 1): 1.0, (2, 3): 1.0, (4, 5): 1.0, (0, 2): 1.5, (0, 4): 1.6, (0, 6): 2.0}
    for (first, second), length in lengths.items():
        distances[first, second] = distances[second, first] = length
    found = ntc_authors(distances, DEFAULT)
    assert [(bar.members, bar.birth, bar.death) for bar in found.barcode] == [
        ((0, 1), 1, 2),
        ((2, 3), 1, 2),
        ((4, 5), 1, 2),
    ]
    assert (found.clusters, found.reason) == ((), "one-cluster")


def released(distances):
    """The description of the released code, step by step: edges, births while joining, roots by rank, the filter."""
    count = len(distances)
    pairs = [(i, j) for i in range(count) for j in range(i + 1, count)]
    quantile = np.quantile([distances[pair] for pair in pairs if distances[pair] < 100], 0.2)
    edges = sorted((pair for pair in pairs if distances[pair] < quantile), key=lambda pair: distances[pair])
    trees = {point: (point, 0, {point}) for point in range(count)}  # root, rank, members
    births = dict.fromkeys(range(count), 0.0)
    for i, j in edges[: int(0.5 * len(edges))]:
        (first, rank_i, of_i), (second, rank_j, of_j) = trees[i], trees[j]
        if first == second:
            continue
        births |= {point: distances[i, j] for point, own in ((i, of_i), (j, of_j)) if len(own) == 1}
        root, rank = (first, rank_i) if rank_i > rank_j else (second, rank_j + (rank_i == rank_j))
        trees |= dict.fromkeys(of_i | of_j, (root, rank, of_i | of_j))
    clusters = {(root, tuple(sorted(own))) for root, _, own in trees.values() if len(own) > 1}
    median = np.quantile(list(births.values()), 0.5)
    return sorted(own for root, own in clusters if distances[edges[-1]] - births[root] > median)


@given(st.integers(0, 10_000), st.integers(4, 14))
@options(deadline=None)
def test_the_authors_variant_is_what_was_released(seed, count):
    """Whole numbers as distances: ties are decided as the code decides them."""
    distances = np.triu(np.random.default_rng(seed).integers(1, 12, (count, count)), 1).astype(float)
    distances += distances.T
    finite = distances[np.triu_indices(count, 1)]
    if (finite < np.quantile(finite, 0.2)).sum() >= 2:
        assert members(ntc_authors(distances, DEFAULT)) == released(distances)


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("persistence", ["linear", "log"])
def test_the_choice_has_the_greatest_total_of_all_choices(seed, persistence, distances_of):
    """Against every family of disjoint candidates, tried one by one."""
    settings = DegeneracySettings(persistence=persistence, tau1=0)
    found = ntc(distances_of(seed, 9), settings)
    life = {
        bar.members: bar.death - bar.birth if persistence == "linear" else np.log(bar.death / bar.birth)
        for bar in found.barcode
        if 2 <= len(bar.members) < 9
    }
    families = chain.from_iterable(combinations(life, size) for size in range(len(life) + 1))
    disjoint = [f for f in families if len(set(chain(*f))) == sum(map(len, f))]
    best = max(sum(life[c] for c in family) for family in disjoint)
    chosen = [bar.members for bar in found.barcode if bar.chosen] or []
    if found.reason == "":
        assert sum(life[c] for c in chosen) == pytest.approx(best, rel=1e-12)


@options(deadline=None)
@given(st.integers(0, 10_000))
def test_chosen_clusters_are_disjoint_candidates(distances_of, seed):
    found = ntc(distances_of(seed), DEFAULT)
    held = list(chain(*members(found)))
    assert len(held) == len(set(held))
    barcode = {bar.members for bar in found.barcode if bar.chosen}
    assert set(members(found)) == barcode
    assert all(2 <= len(cluster) < 14 for cluster in members(found))
    if not found.reason:
        lives = [cluster.death - cluster.birth for cluster in found.clusters]
        assert len(lives) >= 2
        assert min(lives) >= 0.1 * max(lives)


@options(deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["chosen", "all"]))
def test_permuting_neurons_permutes_clusters(distances_of, seed, cover):
    distances = distances_of(seed)
    order = np.random.default_rng(seed).permutation(14)
    settings = DegeneracySettings(cover=cover)
    plain = ntc(distances, settings)
    mixed = ntc(distances[np.ix_(order, order)], settings)
    back = {(tuple(sorted(order[list(c.members)].tolist())), c.birth, c.death) for c in mixed.clusters}
    assert back == {(c.members, c.birth, c.death) for c in plain.clusters}
    assert mixed.reason == plain.reason


@options(deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.25, 2.0, 64.0]), st.sampled_from(["linear", "log"]))
def test_scaling_distances_scales_bars(distances_of, seed, factor, persistence):
    settings = DegeneracySettings(persistence=persistence)
    plain = ntc(distances_of(seed), settings)
    scaled = ntc(distances_of(seed) * factor, settings)
    assert bars(scaled) == [(m, factor * birth, factor * death) for m, birth, death in bars(plain)]
    if persistence == "linear":
        assert members(scaled) == members(plain)


@options(deadline=None)
@given(st.integers(0, 10_000))
def test_cover_all_is_a_partition_into_grown_clusters(distances_of, seed):
    chosen = ntc(distances_of(seed), DEFAULT)
    covering = ntc(distances_of(seed), replace(DEFAULT, cover="all"))
    assert covering.reason == chosen.reason
    if chosen.reason:
        return
    assert sorted(chain(*members(covering))) == list(range(14))
    for seed_cluster in members(chosen):
        assert sum(set(seed_cluster) <= set(part) for part in members(covering)) == 1
    for part in members(covering):
        assert sum(set(seed_cluster) <= set(part) for seed_cluster in members(chosen)) <= 1


def test_cover_all_of_the_worked_example(worked):
    """With log persistence {ab} and {cd} are chosen; e joins {ab} at 2, before {cd} does at 4."""
    assert members(ntc(worked.distances, replace(LOG, cover="all"))) == [(A, B, E), (C, D)]


def test_cover_all_leaves_latecomers_alone(worked):
    distances = worked.distances.copy()
    distances[B, E] = distances[E, B] = distances[A, E] = distances[E, A] = 30
    distances[D, E] = distances[E, D] = distances[C, E] = distances[E, C] = 30
    found = ntc(distances, replace(LOG, cover="all"))
    assert members(found) == [(A, B), (C, D), (E,)]
    assert (found.clusters[2].birth, found.clusters[2].death) == (0, 30)


def test_thresholds_by_rule(worked):
    """Linear: {abe} lives 2.0 and {cd} 3.8; candidates live 1.9, 3.8 and 2.0."""

    def found(rule, tau1):
        return ntc(worked.distances, DegeneracySettings(tau1_rule=rule, tau1=tau1))

    assert found("fraction", 2.0 / 3.8 - 1e-9).reason == ""
    assert found("fraction", 2.0 / 3.8 + 1e-9).reason == "below-tau1"
    assert found("absolute", 2.0).reason == ""
    assert found("absolute", 2.1).reason == "below-tau1"
    assert found("quantile", 0.5).reason == ""
    assert found("quantile", 0.6).reason == "below-tau1"
    assert members(found("absolute", 2.1)) == [(C, D)]


def test_r_max_ends_the_growth(worked):
    found = ntc(worked.distances, DegeneracySettings(r_max=3.0))
    assert bars(found) == [((A, B), 0.1, 2), ((C, D), 0.2, 3), ((A, B, E), 2, 3)]
    assert members(found) == [(A, B), (C, D)]


def test_min_size(worked):
    distances = np.full((6, 6), 9.0)
    distances[:3, :3] = distances[3:, 3:] = 1.0
    distances[0, 1] = distances[1, 0] = 0.1
    np.fill_diagonal(distances, 0)
    assert members(ntc(distances, DegeneracySettings(min_size=3))) == [(0, 1, 2), (3, 4, 5)]
    assert ntc(worked.distances, DegeneracySettings(min_size=3)).reason == "too-few-neurons"


def test_reasons(worked):
    unconnected = only_edges(worked.distances)
    assert ntc(unconnected, DEFAULT).reason == "no-finite-distance"
    assert ntc(only_edges(worked.distances, (A, B)), DEFAULT).reason == "one-cluster"
    assert ntc(worked.distances[:3, :3], DEFAULT).reason == "too-few-neurons"
    assert ntc(np.zeros((0, 0)), DEFAULT).reason == "too-few-neurons"
    assert ntc(np.ones((6, 6)) - np.eye(6), DEFAULT).reason == "one-cluster"
    assert ntc_authors(unconnected, DEFAULT).reason == "no-finite-distance"
    assert ntc_authors(np.zeros((1, 1)), DEFAULT).reason == "too-few-neurons"
    assert ntc_authors(np.ones((6, 6)) - np.eye(6), DEFAULT).reason == "one-cluster"


def test_ties_keep_the_larger_cluster():
    """{0,1} lives from 1 to 2 and {0,1,2} from 2 to 3: equal, so the larger one; {3,4} from 1 to 3."""
    distances = np.full((5, 5), 3.0)
    distances[:3, :3] = 2.0
    distances[0, 1] = distances[1, 0] = distances[3, 4] = distances[4, 3] = 1.0
    np.fill_diagonal(distances, 0)
    assert members(ntc(distances, DEFAULT)) == [(0, 1, 2), (3, 4)]


def test_log_persistence_refuses_distance_zero():
    with pytest.raises(BadNumber, match="distance 0"):
        ntc(np.zeros((4, 4)), LOG)
