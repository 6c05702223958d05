from __future__ import annotations

from dataclasses import replace

import pytest

from factneurons.attribution.types import KnowledgeNeurons
from factneurons.facts.types import Fact, Prompt
from factneurons.models.types import Neuron

KNOWN = KnowledgeNeurons(
    fact=Fact("capital/france", "capital", "France", "Paris", "en", (Prompt("The capital of France is ___"),)),
    neurons=(Neuron(0, 1), Neuron(2, 3)),
    scores=(0.5, 0.2),
    shares=(1.0, 0.5),
    queries=(),
    method="dai",
    threshold=0.2,
    refined=True,
    probability=0.9,
    rank=1,
)


@pytest.mark.parametrize("rounds", [(), (1, 1)])
def test_neurons_without_rounds_are_all_of_the_first(rounds):
    assert replace(KNOWN, rounds=rounds).round_of_each == (1, 1)


def test_rounds_are_kept_as_they_were_found():
    assert replace(KNOWN, rounds=(1, 3)).round_of_each == (1, 3)
    assert replace(KNOWN, neurons=(), scores=(), shares=()).round_of_each == ()
