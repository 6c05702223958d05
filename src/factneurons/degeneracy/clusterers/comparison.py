"""Clusterers to compare topology clustering with: the same distances in, clusters out.

Of these, hierarchical clustering, DBSCAN and k-means are those that 'Cracking Factual Knowledge' (ACL 2025)
compares with; HDBSCAN builds on the same tree as topology clustering. None of them takes an infinite distance,
so missing ones are replaced by a number first. Clusters of fewer than `min_size` neurons are left out.
scikit-learn is loaded by who needs it: a second that the default clusterer does not take.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import numpy as np

from factneurons.degeneracy.clusterers.base import Cluster, Clustering, Context
from factneurons.degeneracy.settings import DegeneracySettings
from factneurons.errors import BadSetting
from factneurons.models.types import FloatArray, IntArray

MISSING = 1.5
"""A missing distance is so many times the largest finite one."""

NOISE = -1
"""The label of what belongs to no cluster."""

PRECOMPUTED = "precomputed"
"""How scikit-learn's objects say that they take a matrix of pairs."""


@runtime_checkable
class Estimator(Protocol):
    """What has scikit-learn's way to cluster."""

    def fit_predict(self, X: FloatArray) -> IntArray:
        """The label of every row, [n]."""


def hierarchical(context: Context, settings: DegeneracySettings) -> Clustering:
    """Average linkage, cut at the `cut` quantile of the distances of all pairs."""

    def labels(distances: FloatArray) -> IntArray:
        from scipy.cluster.hierarchy import fcluster, linkage
        from scipy.spatial.distance import squareform

        pairs = squareform(distances, checks=False)
        height = float(np.quantile(pairs, settings.comparison.cut))
        found: IntArray = fcluster(linkage(pairs, "average"), height, "distance")
        return found

    return _grouped(context, settings, labels)


def dbscan(context: Context, settings: DegeneracySettings) -> Clustering:
    """DBSCAN: neurons with enough others near join, and what is near none of these is noise.

    Near: the `radius` quantile of the distances to the nearest neighbour. Enough: the share `neighbours` of all
    neurons, itself among them, and at least 2.
    """

    def labels(distances: FloatArray) -> IntArray:
        from sklearn.cluster import DBSCAN

        nearest = np.where(np.eye(len(distances), dtype=bool), np.inf, distances).min(axis=1)
        near = float(np.quantile(nearest, settings.comparison.radius))
        enough = _share(settings.comparison.neighbours, len(distances))
        # scikit-learn wants a radius above 0; no two distances differ by as little as the smallest number.
        model = DBSCAN(eps=max(near, np.finfo(np.float64).tiny), min_samples=enough, metric="precomputed")
        found: IntArray = model.fit_predict(distances)
        return found

    return _grouped(context, settings, labels)


def kmeans(context: Context, settings: DegeneracySettings) -> Clustering:
    """k-means on the rows of the distance matrix, reduced to the principal components of most variance.

    k is the share `parts` of the number of neurons, at least 2.
    """
    seed = int(context.rng.integers(2**31))

    def labels(distances: FloatArray) -> IntArray:
        from sklearn.cluster import KMeans
        from sklearn.decomposition import PCA

        if not np.ptp(distances):
            return np.zeros(len(distances), dtype=np.int64)
        reduced = PCA(settings.comparison.variance, svd_solver="full").fit_transform(distances)
        count = min(_share(settings.comparison.parts, len(distances)), len(np.unique(reduced, axis=0)))
        found: IntArray = KMeans(count, n_init=10, random_state=seed).fit_predict(reduced)
        return found

    return _grouped(context, settings, labels)


def hdbscan(context: Context, settings: DegeneracySettings) -> Clustering:
    """HDBSCAN with clusters of at least `min_size`; what belongs to none is noise."""

    def labels(distances: FloatArray) -> IntArray:
        from sklearn.cluster import HDBSCAN

        model = HDBSCAN(min_cluster_size=settings.smallest, metric="precomputed", copy=True)
        found: IntArray = model.fit_predict(distances)
        return found

    return _grouped(context, settings, labels)


def estimated(estimator: Estimator) -> Callable[[Context, DegeneracySettings], Clustering]:
    """Grouping by an object of scikit-learn or like one: it is copied for every fact, and its labels are the clusters.

    It is given [n, n]: the distances where its `metric` is "precomputed"; exp(-distance / median distance) where its
    `affinity` is; otherwise the rows of the distance matrix as n points, each in n coordinates. Label -1 is noise. A
    fact with fewer neurons than its `n_clusters` has too few.
    """

    def labels(distances: FloatArray) -> IntArray:
        from sklearn.base import clone

        given = distances
        if getattr(estimator, "affinity", None) == PRECOMPUTED:
            pairs = distances[np.triu_indices(len(distances), 1)]
            given = np.exp(-distances / max(float(np.median(pairs)), np.finfo(np.float64).tiny))
        try:
            return np.asarray(clone(estimator, safe=False).fit_predict(given.copy()))
        except ValueError as error:
            raise BadSetting(f"clusterer {estimator}: it refuses {len(distances)} neurons: {error}") from error

    def cluster(context: Context, settings: DegeneracySettings) -> Clustering:
        if len(context.neurons) < (getattr(estimator, "n_clusters", None) or 0):
            return Clustering((), reason="too-few-neurons")
        return _grouped(context, settings, labels)

    return cluster


def _grouped(context: Context, settings: DegeneracySettings, labels: Callable[[FloatArray], IntArray]) -> Clustering:
    """The clusters by the labels of the neurons, or a reason where distances say nothing."""
    distances = context.distances
    if len(distances) < 2 * settings.smallest:
        return Clustering((), reason="too-few-neurons")
    missing = np.isinf(distances)
    if missing.sum() == len(distances) * (len(distances) - 1):
        return Clustering((), reason="no-finite-distance")
    instead = settings.comparison.missing
    if instead is None:
        instead = MISSING * float(distances[~missing].max())
    found = labels(np.where(missing, instead, distances))
    groups = [tuple(np.nonzero(found == label)[0].tolist()) for label in np.unique(found) if label != NOISE]
    clusters = tuple(Cluster(members) for members in sorted(groups) if len(members) >= settings.smallest)
    return Clustering(clusters, reason="" if len(clusters) > 1 else "one-cluster")


def _share(share: float, count: int) -> int:
    return max(2, round(share * count))
