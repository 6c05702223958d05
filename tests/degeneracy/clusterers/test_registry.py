"""The registry of clusterers: every name leads somewhere, and whole facts go through every one of them."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from factneurons.degeneracy.clusterers.base import Clusterer, Clustering
from factneurons.degeneracy.clusterers.registry import CLUSTERERS
from factneurons.degeneracy.find import degenerate_neurons
from factneurons.degeneracy.settings import ClustererName, ComparisonSettings, DegeneracySettings
from factneurons.degeneracy.types import REASONS

WHOLE = DegeneracySettings(t_low=1, t_sufficient=1, t_high=0)


@pytest.fixture
def asked(formula_model, known_neurons, blocks):
    """Twelve neurons in two tight groups; any one group suffices."""
    groups = blocks(6, 6)
    model = formula_model(
        groups, lambda text, suppressed: 0.9 if any(not set(group) & suppressed for group in groups) else 0.02
    )
    return model, known_neurons([neuron for group in groups for neuron in group], prompts=2)


def test_every_name_is_a_setting_and_has_a_meaning():
    assert tuple(CLUSTERERS) == get_args(ClustererName)
    assert all(clusterer.meaning for clusterer in CLUSTERERS.values())


@pytest.mark.parametrize("name", list(CLUSTERERS))
def test_the_order_of_the_neurons_does_not_matter(name, asked):
    model, known = asked
    order = np.random.default_rng(3).permutation(12).tolist()
    mixed = replace(known, neurons=tuple(known.neurons[place] for place in order))
    settings = replace(WHOLE, clusterer=name)
    first = degenerate_neurons(model, known, settings)
    assert degenerate_neurons(model, mixed, settings) == first
    assert first.reason in {"", *REASONS}
    assert degenerate_neurons(model, known, settings) == first


@pytest.mark.parametrize("name", ["ntc", "dbscan", "hdbscan"])
def test_the_groups_are_found_and_are_distinct(name, asked):
    model, known = asked
    found = degenerate_neurons(model, known, DegeneracySettings(clusterer=name))
    assert found.grouping == "distinct"
    assert [len(component.neurons) for component in found.components] == [6, 6]
    assert all(np.isnan(component.birth) == (name != "ntc") for component in found.components)


def test_missing_distances_mislead_kmeans(asked):
    """Neurons of one layer are not connected; if that counts as far, the rows tell layers apart, not groups."""
    model, known = asked
    settings = DegeneracySettings(clusterer="kmeans", comparison=ComparisonSettings(missing=1000))
    found = degenerate_neurons(model, known, settings)
    assert sorted(candidate.layers for candidate in found.candidates) == [(0,), (1,)]
    assert found.grouping == "no-groups"


def test_random_parts_are_no_components(asked):
    model, known = asked
    found = degenerate_neurons(model, known, DegeneracySettings(clusterer="random"))
    assert (found.grouping, len(found.candidates)) == ("no-groups", 2)
    assert found.details["coverage_candidates"] == 1
    assert not any(bar.chosen for bar in found.barcode)


def test_neurons_of_the_whole_model_cover_only_what_is_the_facts(asked):
    model, known = asked
    found = degenerate_neurons(model, known, replace(WHOLE, clusterer="random_layers"))
    held = {neuron for candidate in found.candidates for neuron in candidate.neurons}
    assert len(held) == 12
    assert found.details["coverage_candidates"] == len(held & set(known.neurons)) / 12 < 1
    assert all(np.isnan(candidate.mean_distance) for candidate in found.candidates)
    assert len(found.components) == 2, "with tests that everything passes"
    assert found.coverage == found.details["coverage_candidates"]


def test_a_new_clusterer_is_one_row(asked, monkeypatch):
    """It sees the losses, scores and neurons of the fact, and has random numbers of its own."""
    model, known = asked
    seen = []

    def curious(context, settings):
        everything = frozenset(context.neurons)
        yield from context.drops.measure([everything])
        seen.append((context.drops.of(everything), context.scores, context.rng.random()))
        return Clustering((), reason="one-cluster")

    monkeypatch.setitem(CLUSTERERS, "ntc", Clusterer(curious, "for this test"))
    for fact in (known, known, replace(known, fact=replace(known.fact, id="capital/other"))):
        assert degenerate_neurons(model, fact, DegeneracySettings(clusterer="ntc")).reason == "one-cluster"
    assert seen[0][0] == pytest.approx(1 - 0.02 / 0.9)
    assert seen[0][1] == known.scores
    assert seen[0] == seen[1]
    assert seen[0][2] != seen[2][2]
