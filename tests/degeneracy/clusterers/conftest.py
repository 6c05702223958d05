"""Distances whose clusters are known, and any clusterer on them."""

from __future__ import annotations

import numpy as np
import pytest

from factneurons.degeneracy.clusterers.registry import CLUSTERERS
from factneurons.degeneracy.settings import DegeneracySettings
from factneurons.models.questions import answered

DEFAULT = DegeneracySettings()


def _groups_apart(*sizes, near=1.0, far=9.0, noise=0.05):
    """Groups of points, near each other inside and far from the rest; all distances differ if there is noise."""
    label = np.repeat(np.arange(len(sizes)), sizes)
    distances = np.where(label[:, None] == label, near, far)
    upper = np.triu(np.random.default_rng(0).uniform(0, noise, distances.shape), 1)
    distances = distances + upper + upper.T
    np.fill_diagonal(distances, 0)
    return distances


@pytest.fixture(scope="session")
def groups_apart():
    """groups_apart(3, 5): distances [8, 8] of two groups."""
    return _groups_apart


@pytest.fixture(scope="session")
def members():
    """members(clustering): the points of each cluster."""
    return lambda clustering: [cluster.members for cluster in clustering.clusters]


@pytest.fixture
def cluster(context_of):
    """cluster("ntc", distances, settings, ...): what a clusterer makes of distances."""

    def run(name, distances, settings=DEFAULT, **options):
        return answered(CLUSTERERS[name].cluster(context_of(distances, **options), settings))

    return run
