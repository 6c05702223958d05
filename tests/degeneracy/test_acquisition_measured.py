"""A search with several clusterers: what the table of acquisition holds."""

from __future__ import annotations

import numpy as np
import pytest

from factneurons.attribution.types import KnowledgeNeurons
from factneurons.degeneracy.acquisition_measured import acquisition_by_clusterer
from factneurons.degeneracy.settings import DegeneracySettings
from factneurons.degeneracy.tables import ACQUISITION
from factneurons.errors import BadSetting
from factneurons.facts.types import Fact, Prompt
from factneurons.models.types import Neuron, Query


class TwoGroups:
    """Neurons 0 to 5 of two layers; either half of them suffices, and they are connected within halves."""

    halves = tuple(frozenset(Neuron(place % 2, place) for place in range(first, first + 6)) for first in (0, 6))

    def vectors(self, neurons):
        return np.array([[0.1, *(2.0 * (neuron in half) for half in self.halves)] for neuron in neurons])

    def out_weights(self, neurons):
        return self.vectors(neurons)

    def in_weights(self, neurons):
        return self.vectors(neurons)[:, None]

    @property
    def backbone(self):
        return self

    def norm_gain(self, layer):
        return np.ones(3)

    def in_encoder(self, layer):
        return False

    width = 12

    def probabilities_with(self, queries, neuron_sets, factor=0.0):
        row = [0.9 if any(not half & set(s) for half in self.halves) else 0.09 for s in neuron_sets]
        return np.array([row] * len(queries))


@pytest.fixture
def known():
    prompt = Prompt("Foo is ___.")
    neurons = tuple(sorted(frozenset.union(*TwoGroups.halves)))
    fact = Fact("capital/foo", "capital", "Foo", "Bar", "en", (prompt,))
    query = Query(prompt, "Bar", (1, 2), (1,), (3,), (0,), ((0,),))
    return KnowledgeNeurons(fact, neurons, (1.0,) * 12, (1.0,) * 12, (query,), "amig", 0.3, False, 0.9, 1)


def test_clusterers_are_compared_on_the_same_facts(known):
    names = ("ntc", "ntc_authors")
    frame = acquisition_by_clusterer(TwoGroups(), [known], names, DegeneracySettings(tau1=0.5))
    assert list(frame.columns) == ACQUISITION.names
    assert set(frame["clusterer"]) <= set(names)
    components = frame[(frame["clusterer"] == "ntc") & (frame["which"] == "components")]
    assert components["mean_drop"].tolist() == pytest.approx([0, 0.9])
    assert components["size"].tolist() == [12, 12]
    random = frame[frame["which"] == "random for components"]
    assert random["mean_drop"].iloc[0] > 0.3
    table = ACQUISITION.to_arrow(frame.to_dict("records"))
    assert table.num_rows == len(frame)
    with pytest.raises(BadSetting, match="must be one of"):
        acquisition_by_clusterer(TwoGroups(), [known], ["no such"])
