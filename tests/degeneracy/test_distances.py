"""Distances against the worked example and against a brute-force search over all chains."""

from __future__ import annotations

from itertools import combinations, pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factneurons.degeneracy.distances import connection_weights, distance_matrix
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
