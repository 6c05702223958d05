"""Distances against the worked example and a brute-force search over all chains; units of weights per layer gap."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factneurons.degeneracy.distances import GapUnits, connection_weights, distance_matrix, neuron_distances
from factneurons.degeneracy.settings import DegeneracySettings
from factneurons.errors import BadNumber, BadSetting
from factneurons.models.types import Neuron


def brute_force(neurons, out, read, *, span, max_span, gate):
    """Every chain tried, one neuron in every layer between; or the direct weight of any two layers."""
    count = len(neurons)
    distances = np.full((count, count), np.inf)
    np.fill_diagonal(distances, 0)

    def one(u, v):
        parts = [abs(float(out[u] @ part)) for part in read[v]]
        if len(parts) == 2:
            parts = {"both": parts, "gate": parts[:1], "up": parts[1:]}[gate]
        weight = sum(part**2 for part in parts) ** 0.5
        return 1 / weight if weight > 0 else np.inf

    for u, v in product(range(count), repeat=2):
        gap = neurons[v].layer - neurons[u].layer
        if gap < 1 or (span == "adjacent" and gap > max_span):
            continue
        if span == "residual":
            distances[u, v] = distances[v, u] = one(u, v)
            continue
        between = [
            [k for k in range(count) if neurons[k].layer == layer]
            for layer in range(neurons[u].layer + 1, neurons[v].layer)
        ]
        for chain in product([u], *between, [v]):
            length = sum(one(first, second) for first, second in pairwise(chain))
            distances[u, v] = distances[v, u] = min(distances[u, v], length)
    return distances


@pytest.mark.parametrize("span", ["adjacent", "residual"])
def test_as_in_the_released_code_a_gated_neurons_weights_are_exchanged(span):
    """The gate's row of the earlier neuron times the out-weights of the later one, pair by pair."""
    neurons, out, read = make_weights(3, 12, 2)
    swapped_out = np.stack([vectors[0] for vectors in read])
    swapped_read = np.stack([[vector] for vector in out])
    expected = brute_force(neurons, swapped_out, swapped_read, span=span, max_span=3, gate="both")
    found = distance_matrix(neurons, out, read, span=span, connection="authors")
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert not np.allclose(found, distance_matrix(neurons, out, read, span=span), equal_nan=True)


def test_without_a_gate_the_released_code_connects_as_defined():
    neurons, out, read = make_weights(4, 12, 1)
    found = distance_matrix(neurons, out, read, connection="authors")
    np.testing.assert_array_equal(found, distance_matrix(neurons, out, read))


@pytest.mark.parametrize("option", [{"gate": "up"}, {"scale": "layer-gap"}, {"fold_norm_gain": True}])
def test_the_released_connection_takes_nothing_else(option):
    with pytest.raises(BadSetting, match=f"{next(iter(option))} is .* with connection 'authors'"):
        DegeneracySettings(connection="authors", **option)


def make_weights(seed, count, parts, layers=5):
    rng = np.random.default_rng(seed)
    neurons = [Neuron(int(layer), place) for place, layer in enumerate(rng.integers(0, layers, count))]
    out = rng.normal(size=(count, 4)) * (rng.random((count, 4)) < 0.5)
    read = rng.normal(size=(count, parts, 4)) * (rng.random((count, parts, 4)) < 0.5)
    return neurons, out, read


def test_worked_example(worked):
    found = distance_matrix(worked.neurons, worked.out_weights, worked.in_weights, span="adjacent")
    np.testing.assert_allclose(found, worked.distances, rtol=1e-15)


def test_worked_example_over_a_shorter_span(worked):
    found = distance_matrix(worked.neurons, worked.out_weights, worked.in_weights, span="adjacent", max_span=1)
    expected = worked.distances.copy()
    expected[[0, 2], 4] = expected[4, [0, 2]] = np.inf
    np.testing.assert_allclose(found, expected, rtol=1e-15)


@settings(deadline=None)
@given(
    st.integers(0, 10_000), st.integers(0, 14), st.sampled_from([1, 2]), st.sampled_from(["both", "gate", "up"]),
    st.sampled_from(["adjacent", "residual"]), st.integers(1, 4),
)  # fmt: skip
def test_equals_brute_force(seed, count, parts, gate, span, max_span):
    neurons, out, read = make_weights(seed, count, parts)
    options = {"span": span, "max_span": max_span, "gate": gate}
    found = distance_matrix(neurons, out, read, **options)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, found.T)
    np.testing.assert_allclose(found, brute_force(neurons, out, read, **options), rtol=1e-12)


@settings(deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["adjacent", "residual"]))
def test_permuting_neurons_permutes_distances(seed, span):
    neurons, out, read = make_weights(seed, 12, 2)
    order = np.random.default_rng(seed + 1).permutation(12)
    found = distance_matrix([neurons[place] for place in order], out[order], read[order], span=span)
    plain = distance_matrix(neurons, out, read, span=span)
    np.testing.assert_allclose(found, plain[np.ix_(order, order)], rtol=1e-12)


def test_a_chain_needs_a_neuron_in_every_layer_between():
    neurons = [Neuron(0, 0), Neuron(2, 0)]
    out, read = np.ones((2, 1)), np.ones((2, 1, 1))
    assert np.isinf(distance_matrix(neurons, out, read, span="adjacent")[0, 1])
    assert distance_matrix(neurons, out, read, span="residual")[0, 1] == 1


def test_gated_neurons_combine_gate_and_up():
    out, read = np.array([[1.0, 1.0]]), np.array([[[3.0, 0.0], [0.0, 4.0]]])
    assert connection_weights(out, read).item() == 5
    assert connection_weights(out, read, gate="gate").item() == 3
    assert connection_weights(out, read, gate="up").item() == 4


def test_norm_gains_are_folded_into_the_reading_layer():
    neurons = [Neuron(0, 0), Neuron(1, 0)]
    out, read = np.array([[1.0, 2.0], [9.0, 9.0]]), np.array([[[9.0, 9.0]], [[1.0, 1.0]]])
    gains = {0: np.array([7.0, 7.0]), 1: np.array([2.0, 1.0])}
    assert distance_matrix(neurons, out, read, norm_gains=gains)[0, 1] == 1 / 4


@pytest.mark.parametrize("span", ["adjacent", "residual"])
def test_encoder_and_decoder_are_not_connected(span):
    neurons = [Neuron(layer, 0) for layer in range(4)]
    found = distance_matrix(neurons, np.ones((4, 1)), np.ones((4, 1, 1)), span=span, encoder_layers=(0, 1))
    connected = {pair for pair in combinations(range(4), 2) if np.isfinite(found[pair])}
    assert connected == {(0, 1), (2, 3)}


def test_half_precision_weights_are_multiplied_in_double():
    neurons, out, read = make_weights(3, 10, 2)
    out, read = out.astype(np.float16), read.astype(np.float16)
    expected = distance_matrix(neurons, out.astype(np.float64), read.astype(np.float64))
    np.testing.assert_array_equal(distance_matrix(neurons, out, read), expected)


def test_bad_input_is_refused(worked):
    neurons, out, read = worked.neurons, worked.out_weights, worked.in_weights
    with pytest.raises(BadSetting, match=r"must be one of: residual, adjacent"):
        distance_matrix(neurons, out, read, span="straight")
    with pytest.raises(BadSetting, match=r"must be one of: both, gate, up"):
        distance_matrix(neurons, out, read, gate="down")
    with pytest.raises(BadSetting, match=r"must be one of: dot, cosine"):
        distance_matrix(neurons, out, read, similarity="angle")
    with pytest.raises(BadSetting, match="in-weights"):
        distance_matrix(neurons, out, read[:, 0])
    with pytest.raises(BadSetting, match="4 neurons"):
        distance_matrix(neurons[:4], out, read)
    with pytest.raises(BadSetting, match="twice"):
        distance_matrix((neurons[0], *neurons[:4]), out, read)
    read[3, 0, 0] = np.nan
    with pytest.raises(BadNumber, match="layer 1, neuron 13"):
        distance_matrix(neurons, out, read)


DEFAULT = DegeneracySettings()
SCALED = replace(DEFAULT, scale="layer-gap")


class LayeredModel:
    """Four layers of 50 neurons; layer l writes vectors `growth` ** l as long as layer 0 does."""

    layer_count, width, widths = 4, 50, (50,) * 4

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
