"""E5 against suppressing groups one set at a time, on prompts that the groups were not found with."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

import factneurons as fn
from factneurons.degeneracy.find import degenerate_neurons
from factneurons.degeneracy.settings import DegeneracySettings
from factneurons.experiments.experiment import RANDOM_FOR
from factneurons.experiments.settings import ExperimentSettings
from factneurons.experiments.study import Study
from factneurons.experiments.suite.acquisition import EXPERIMENT

NAMES = ("kmeans", "random")


@pytest.fixture(scope="module")
def study(model):
    settings = ExperimentSettings(methods=("dai",), clusterers=NAMES)
    return Study(model, list(fn.load_facts("bundled?relation=capital&lang=en&limit=1")), settings)


@pytest.fixture(scope="module")
def measured(study, measured_by):
    return measured_by(EXPERIMENT, study, study.facts[0])


@pytest.mark.parametrize("name", NAMES)
def test_losses_are_those_of_suppressing_every_subset(study, measured, name):
    fact, model = study.facts[0], study.model
    known = study.knowledge(fact, "dai")
    found = degenerate_neurons(model, known, replace(DegeneracySettings(), clusterer=name))
    groups = [group.neurons for group in found.candidates]
    assert len(groups) >= 2
    assert measured[name, "groups", "candidates"] == len(groups)
    _, tested = study.halves(fact)
    before = model.probabilities(tested).mean()
    by_size = {}
    for size in range(1, len(groups) + 1):
        losses = []
        for subset in combinations(groups, size):
            with model.suppress([neuron for group in subset for neuron in group]):
                losses.append(1 - model.probabilities(tested).mean() / before)
        by_size[size] = losses
        if len(groups) <= 7:
            found_loss = measured[name, f"loss, {len(groups)} candidates", str(size)]
            assert found_loss == pytest.approx(np.mean(losses), abs=2e-5)
    some = np.mean([loss for size in range(1, len(groups)) for loss in by_size[size]])
    everything = by_size[len(groups)][0]
    assert measured[name, "some suppressed", "candidates"] == pytest.approx(some, abs=2e-5)
    assert measured[name, "all suppressed", "candidates"] == pytest.approx(everything, abs=2e-5)
    assert measured[name, "jump", "candidates"] == pytest.approx(everything - some, abs=4e-5)


def test_random_partitions_stand_beside_and_are_not_described(measured):
    random = {measure for condition, measure, _ in measured if condition == f"{RANDOM_FOR}kmeans"}
    assert {"some suppressed", "all suppressed", "jump"} <= random
    assert not random & {"groups", "neurons per group", "has groups"}


def test_every_clusterer_says_whether_it_makes_groups(measured):
    for name in NAMES:
        for which in ("components", "candidates"):
            assert measured[name, "has groups", which] == float((name, "jump", which) in measured)
