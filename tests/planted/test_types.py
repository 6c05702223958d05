"""What is planted, as plain values."""

from __future__ import annotations

from dataclasses import replace

import pytest

from factneurons.facts.types import Fact, Prompt
from factneurons.models.types import Neuron
from factneurons.planted.truth import Truth
from factneurons.planted.types import Check, PlantedComponent, PlantedFact, Rejected

EXAMPLE = Truth(
    "pocket-gpt2",
    3,
    (
        PlantedFact(
            (Fact("r/a", "r", "Vel", "Rome", "en", (Prompt("Vel is in ___."),)),),
            "single",
            (PlantedComponent((Neuron(1, 7), Neuron(1, 9))),),
            (Check("nothing suppressed", (), 0.93, at_least=0.8),),
        ),
    ),
    {"loud": (Neuron(2, 4),)},
    (Rejected("r/b", "single", "nothing suppressed: 0.40"),),
    {"prompts": 400.0},
)


def test_a_fact_by_its_id():
    assert EXAMPLE["r/a"] is EXAMPLE.facts[0]
    with pytest.raises(KeyError):
        EXAMPLE["r/b"]


def test_a_neuron_that_components_share_is_there_once_and_helpers_are_in_no_component():
    a, b, c, helper = (Neuron(1, index) for index in range(4))
    fact = replace(EXAMPLE["r/a"], components=(PlantedComponent((a, b)), PlantedComponent((a, c))), helpers=(helper,))
    assert fact.neurons == fact.neurons_of("en") == (a, b, c)
    assert fact.everything == (a, b, c, helper)


def test_a_check_passes_between_its_bounds():
    check = Check("x", (), 0.5, 0.3, 0.6)
    assert check.passed
    assert not replace(check, value=0.29).passed
    assert not replace(check, value=0.61).passed
    assert not replace(check, value=float("nan")).passed
