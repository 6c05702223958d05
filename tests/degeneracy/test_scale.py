"""Units of connection weights per layer gap, and distances measured in them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from factneurons.degeneracy.distances import connection_weights
from factneurons.degeneracy.find import neuron_distances
from factneurons.degeneracy.scale import GapUnits
from factneurons.degeneracy.settings import DegeneracySettings
from factneurons.errors import BadNumber
from factneurons.models.types import Neuron

DEFAULT = DegeneracySettings()
SCALED = replace(DEFAULT, scale="layer-gap")


class LayeredModel:
    """Four layers of 50 neurons; layer l writes vectors `growth` ** l as long as layer 0 does."""

    layer_count, width = 4, 50

    def __init__(self, *, growth=3.0, parts=1, encoder=0, factor=1.0):
        rng = np.random.default_rng(5)
        lengths = growth ** np.arange(4)[:, None, None]
        self.out = rng.normal(size=(4, 50, 8)) * lengths * factor
        self.read = rng.normal(size=(4, 50, parts, 8))
        self.gains = rng.uniform(0.5, 2, (4, 8))
        self.encoder = encoder
        self.asked = 0

    def out_weights(self, neurons):
        self.asked += 1
        return np.stack([self.out[neuron] for neuron in neurons])

    def in_weights(self, neurons):
        return np.stack([self.read[neuron] for neuron in neurons])

    @property
    def backbone(self):
        return self

    def in_encoder(self, layer):
        return layer < self.encoder

    def norm_gain(self, layer):
        return self.gains[layer]


def all_weights(model, gap, *, fold=False, lowers=range(3), cosine=False, parts=slice(None)):
    """w of every pair that many layers apart, [pairs, parts]."""
    found = []
    for lower in (layer for layer in lowers if layer + gap < 4):
        read = model.read[lower + gap][:, parts] * (model.gains[lower + gap] if fold else 1)
        out = model.out[lower]
        if cosine:
            out = out / np.linalg.norm(out, axis=-1, keepdims=True)
            read = read / np.linalg.norm(read, axis=-1, keepdims=True)
        found.append(np.einsum("ud,vpd->uvp", out, read).reshape(-1, read.shape[1]))
    return np.concatenate(found)


@pytest.mark.parametrize("gap", [1, 2, 3])
@pytest.mark.parametrize(
    ("changes", "options"),
    [
        ({}, {}),
        ({"fold_norm_gain": True}, {"fold": True}),
        ({"similarity": "cosine"}, {"cosine": True}),
        ({"gate": "up"}, {"parts": slice(1, 2)}),
    ],
)
def test_a_unit_is_the_deviation_of_all_weights_of_its_gap(gap, changes, options):
    model = LayeredModel(parts=2, growth=1.2)
    exact = np.sqrt(all_weights(model, gap, **options).var(axis=0).sum())
    found = GapUnits(model, replace(SCALED, **changes))(gap)
    assert found == pytest.approx(exact, rel=0.15), "512 pairs give it within a few percent"
    assert found != exact


def test_every_gap_is_measured_once_and_by_its_seed():
    model = LayeredModel()
    units = GapUnits(model, SCALED)
    first = [units(2), units(1), units(2)]
    assert first[0] == first[2]
    assert model.asked == 2
    assert GapUnits(model, SCALED)(1) == first[1], "the order of the gaps does not matter"
    assert GapUnits(model, replace(SCALED, seed=1))(1) != first[1]


def test_distances_are_divided_by_the_unit_of_their_gap():
    model = LayeredModel()
    neurons = [Neuron(0, 3), Neuron(1, 4), Neuron(3, 5)]
    plain, scaled = (neuron_distances(model, neurons, settings) for settings in (DEFAULT, SCALED))
    units = GapUnits(model, SCALED)
    for first, second, gap in [(0, 1, 1), (1, 2, 2), (0, 2, 3)]:
        assert scaled[first, second] == pytest.approx(plain[first, second] * units(gap), rel=1e-12)


def test_scaled_distances_do_not_depend_on_the_size_of_the_weights():
    neurons = [Neuron(layer, index) for layer in range(4) for index in range(5)]
    small, large = (neuron_distances(LayeredModel(factor=factor), neurons, SCALED) for factor in (1, 64))
    np.testing.assert_array_equal(small, large)


def test_adjacent_chains_add_scaled_steps():
    model = LayeredModel()
    neurons = [Neuron(0, 3), Neuron(1, 4), Neuron(2, 5)]
    found = neuron_distances(model, neurons, replace(SCALED, span="adjacent"))
    assert found[0, 2] == pytest.approx(found[0, 1] + found[1, 2])
    assert found[0, 1] == pytest.approx(
        GapUnits(model, SCALED)(1) / connection_weights(model.out[0, [3]], model.read[1, [4]]).item()
    )


def test_cosine_does_not_see_lengths():
    neurons = [Neuron(layer, index) for layer in range(4) for index in range(5)]
    cosine = replace(DEFAULT, similarity="cosine")
    found = [neuron_distances(LayeredModel(growth=growth), neurons, cosine) for growth in (1.0, 2.0)]
    np.testing.assert_allclose(found[0], found[1], rtol=1e-12)
    assert found[0][np.isfinite(found[0]) & (found[0] > 0)].min() >= 1, "1 / |cosine| is at least 1"


def test_a_vector_of_zeros_is_connected_with_nothing():
    weights = connection_weights(np.zeros((1, 3)), np.ones((1, 1, 3)), similarity="cosine")
    assert weights.item() == 0


def test_the_halves_of_an_encoder_decoder_are_measured_each_for_itself():
    model = LayeredModel(encoder=2, growth=1.0)
    neurons = [Neuron(1, 3), Neuron(2, 4), Neuron(3, 5)]
    found = neuron_distances(model, neurons, SCALED)
    assert np.isinf(found[0, 1:]).all()
    model.out[1] *= 1000
    assert neuron_distances(model, neurons, SCALED)[1, 2] == found[1, 2], "no pair has layer 1 below layer 2"


def test_weights_that_do_not_differ_give_no_unit():
    model = LayeredModel()
    model.out[:] = 0
    with pytest.raises(BadNumber, match=r'2 layers apart.*scale = "none"'):
        GapUnits(model, SCALED)(2)
