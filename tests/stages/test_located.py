"""What a run knows of its facts comes back as it was found."""

from __future__ import annotations

import pytest

from factneurons.errors import BadRun
from factneurons.facts.types import Fact, Prompt
from factneurons.models.types import Neuron
from factneurons.runs.reading import LocatedNeuron
from factneurons.stages.located import _known, located_run

FACT = Fact("a", "capital", "France", "Paris", "en", (Prompt("The capital of France is ___."),))
ROW = {"method": "amig", "threshold": 0.2, "refined": True, "probability": 0.5, "rank": 1}


@pytest.mark.parametrize(("rounds", "kept"), [((1, 2), (1, 2)), ((1, 1), ()), ((), ())])
def test_the_rounds_that_found_neurons_are_kept(rounds, kept):
    neurons = [LocatedNeuron(Neuron(0, place), 0.5, 1.0, number) for place, number in enumerate(rounds)]
    known = _known(FACT, ROW, neurons)
    assert known.rounds == kept
    assert known.round_of_each == rounds
    assert known.neurons == tuple(Neuron(0, place) for place in range(len(rounds)))


def test_no_run(tmp_path):
    with pytest.raises(BadRun, match="is not a run"):
        located_run(tmp_path)
