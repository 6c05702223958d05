"""Checks say what suppressing neurons does to a planted fact."""

from __future__ import annotations

import numpy as np
import pytest

from factneurons.planted.checks import ADDITIVE


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
