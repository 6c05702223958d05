from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from factneurons.degeneracy.clusterers.registry import CLUSTERERS
from factneurons.degeneracy.settings import DegeneracySettings
from factneurons.models.questions import answered
from factneurons.models.types import Neuron

DEFAULT = DegeneracySettings()


@pytest.mark.parametrize("layered", [False, True])
def test_random_parts_have_the_sizes_of_topology_clustering(cluster, layered, groups_apart, members):
    distances = groups_apart(3, 5, 6)
    found = cluster("random_layers" if layered else "random", distances)
    assert sorted(len(group) for group in members(found)) == [3, 5, 6]
    if not layered:
        assert members(found) != members(cluster("ntc", distances))
        assert any(members(cluster("random", distances, seed=seed)) != members(found) for seed in range(1, 5))
    assert members(cluster("random", distances)) == members(cluster("random", distances))


@pytest.mark.parametrize("name", ["random", "random_layers"])
def test_random_halves_where_topology_clustering_finds_nothing(cluster, name, members):
    found = cluster(name, np.ones((9, 9)) - np.eye(9))
    assert sorted(len(group) for group in members(found)) == [4, 5]
    unconnected = cluster(name, np.where(np.eye(6, dtype=bool), 0, np.inf))
    assert [len(group) for group in members(unconnected)] == [3, 3]


def test_random_layers_keeps_layers_and_changes_neurons(context_of, groups_apart, members):
    context = context_of(groups_apart(6, 6))
    found = answered(CLUSTERERS["random_layers"].cluster(context, DEFAULT))
    assert [neuron.layer for neuron in found.neurons] == [neuron.layer for neuron in context.neurons]
    assert len(set(found.neurons)) == 12
    assert set(found.neurons) != set(context.neurons)
    assert members(found) == members(answered(CLUSTERERS["ntc"].cluster(context, DEFAULT)))
    assert all(0 <= neuron.index < context.widths[neuron.layer] for neuron in found.neurons)


def test_random_layers_draws_from_the_whole_layer(context_of, groups_apart):
    """With as many neurons in a layer as the fact has there, all of them are drawn."""
    context = replace(context_of(groups_apart(6, 6)), widths=(4,) * 100)
    found = answered(CLUSTERERS["random_layers"].cluster(context, DEFAULT))
    assert set(found.neurons) == {Neuron(layer, index) for layer in range(3) for index in range(4)}
