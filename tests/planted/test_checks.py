"""Checks say what suppressing neurons does to a planted fact."""

from __future__ import annotations

import numpy as np
import pytest

from factneurons.facts.types import Fact, Prompt
from factneurons.models.types import Neuron
from factneurons.planted.checks import ADDITIVE, LITTLE, measured
from factneurons.planted.types import PlantedComponent, PlantedFact


def test_checks_are_what_suppressing_does(planted, model):
    """Every value in truth.json, measured again, one prompt and one set of neurons at a time."""
    for fact in planted.truth.facts:
        for check in fact.checks:
            if "log-odds" in check.what:
                continue
            values = []
            for each in fact.facts:
                with model.suppress(check.suppressed):
                    values.append(np.mean([model.probability(prompt, each.answer) for prompt in each.prompts]))
            assert check.value == pytest.approx(values[0], abs=1e-4), check.what


def test_the_neurons_of_a_single_fact_add_up(planted, model):
    """The share in log-odds by its definition, prompt by prompt."""
    for fact in planted.truth.facts:
        if fact.regime != "single":
            continue
        (check,) = [check for check in fact.checks if "log-odds" in check.what]
        (each,) = fact.facts

        def odds(neurons, each=each):
            with model.suppress(neurons):
                p = np.array([model.probability(prompt, each.answer) for prompt in each.prompts])
            return np.log(p / (1 - p)).mean()

        whole = odds(()) - odds(fact.neurons)
        total = sum(odds(()) - odds((neuron,)) for neuron in fact.neurons) / whole
        assert check.value == pytest.approx(total, rel=1e-2)
        assert (check.at_least, check.at_most) == ADDITIVE


def test_the_largest_share_of_a_helper(base):
    """By its definition, on neurons that store nothing: how large it is does not matter here."""
    model = base("gpt2")
    each = Fact("capital/france", "capital", "France", "Paris", "en", (Prompt("The capital of France is ___."),))
    own, helpers = (Neuron(3, 1), Neuron(3, 2)), tuple(Neuron(2, index) for index in range(0, 40, 8))
    planted = PlantedFact((each,), "helped", (PlantedComponent(own),), helpers=helpers)
    (check,) = [each for each in measured(model, planted, (*own, *helpers)) if each.suppressed == helpers][-1:]

    def odds(neurons):
        with model.suppress(neurons):
            p = model.probability(each.prompts[0], each.answer)
        return np.log(p / (1 - p))

    whole = odds(()) - odds(helpers)
    assert check.value == pytest.approx(max((odds(()) - odds((helper,))) / whole for helper in helpers), rel=1e-2)
    assert (check.at_least, check.at_most) == (0.0, LITTLE)
