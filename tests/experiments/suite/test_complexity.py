"""E11: the numbers are those of the searches, divided by |N|; the same neurons grouped at random stand beside."""

from __future__ import annotations

from dataclasses import replace

import pytest

import factneurons as fn
from factneurons.degeneracy.find import degenerate_neurons
from factneurons.degeneracy.types import Component, DegenerateNeurons
from factneurons.experiments.study import Study
from factneurons.experiments.suite.complexity import EXPERIMENT, FOUND, PER_NEURON
from factneurons.models.types import Neuron

RANDOM = f"random for {FOUND}"


@pytest.fixture(scope="module")
def study(model, few):
    return Study(model, list(fn.load_facts("bundled?relation=capital&lang=en&limit=2")), few)


def with_components(fact, grouping):
    """Components of two and one of the fact's ten knowledge neurons."""
    groups = [(Neuron(0, 1), Neuron(1, 1)), (Neuron(2, 3),)]
    components = tuple(Component(neurons, 0.1, 0.9, 0.0, 0.0, 0.5) for neurons in groups)
    return DegenerateNeurons(fact, components, components, (), "", 0.8, 0.6, 0.3, "undecided", grouping, 10)


def test_numbers_are_those_of_the_two_searches(study, measured_by):
    fact = study.facts[0]
    values = measured_by(EXPERIMENT, study, fact)
    known = study.knowledge(fact, "dai")
    assert values[FOUND, "knowledge neurons", ""] == len(known.neurons)
    for condition, settings in {
        FOUND: study.settings.search, RANDOM: replace(study.settings.search, clusterer="random"),
    }.items():  # fmt: skip
        found = degenerate_neurons(study.model, known, settings)
        assert values[condition, "components", ""] == bool(found.components)
        assert values[condition, "groups", ""] == len(found.components)
        assert ((condition, "degeneracy index", "") in values) == bool(found.components)


@pytest.mark.parametrize(("grouping", "distinct"), [("distinct", 1.0), ("arbitrary", 0.0)])
def test_everything_is_divided_by_the_knowledge_neurons_of_the_fact(
    study, measured_by, monkeypatch, grouping, distinct
):
    monkeypatch.setattr(study, "components", lambda fact: with_components(fact, grouping))
    values = measured_by(EXPERIMENT, study, study.facts[0])
    own = {
        "components": 1.0, "distinct": distinct, "groups": 2.0, "component neurons": 3.0, "degeneracy index": 0.6
    }  # fmt: skip
    for name, value in own.items():
        assert values[FOUND, name, ""] == value
        assert values[FOUND, PER_NEURON.format(name), ""] == pytest.approx(value / 10)
