"""Matched random neurons: of the same layers and strength, never the found ones, the same for the same name."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factneurons.attribution.controls import CONTROLS, matched_random, strengths, uniform_random
from factneurons.attribution.settings import CONTROL_NAMES
from factneurons.errors import NotAskable
from factneurons.models.types import Neuron


def deciles(strength: np.ndarray) -> np.ndarray:
    """0 to 9 for every neuron, by its rank within its layer, written another way than in the source."""
    width = strength.shape[1]
    return np.stack([[10 * int((row < value).sum()) // width for value in row] for row in strength])


@st.composite
def found_neurons(draw, per_layer: int):
    layers, width = draw(st.integers(1, 3)), draw(st.integers(2 * per_layer, 60))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    strength = generator.permuted(np.tile(np.arange(width, dtype=float), (layers, 1)), axis=1)
    neurons = draw(
        st.lists(st.tuples(st.integers(0, layers - 1), st.integers(0, width - 1)), min_size=1, unique=True).filter(
            lambda chosen: max(Counter(layer for layer, _ in chosen).values()) <= width // 2
        )
    )
    return strength, [Neuron(*neuron) for neuron in neurons]


@given(found_neurons(per_layer=1), st.integers(1, 4))
def test_same_layers_no_overlap_no_repeats(case, draws):
    strength, neurons = case
    sets = matched_random(strength, neurons, draws=draws, seed=1, name="fact")
    assert len(sets) == draws
    for drawn in sets:
        assert len(set(drawn)) == len(drawn) == len(neurons)
        assert not set(drawn) & set(neurons)
        assert Counter(neuron.layer for neuron in drawn) == Counter(neuron.layer for neuron in neurons)
        assert all(0 <= neuron.index < strength.shape[1] for neuron in drawn)


@given(st.data())
def test_same_deciles_where_they_have_enough(data):
    strength = np.random.default_rng(data.draw(st.integers(0, 99))).random((2, 50))
    own = deciles(strength)
    # Of the five neurons of a decile at most two are found, so there are others for each.
    neurons = [
        Neuron(layer, int(index))
        for layer in range(2)
        for decile in range(10)
        for index in np.flatnonzero(own[layer] == decile)[: data.draw(st.integers(0, 2))]
    ]
    for drawn in matched_random(strength, neurons, draws=3, seed=0, name="x") if neurons else ():
        wanted = Counter((neuron.layer, own[neuron]) for neuron in neurons)
        assert Counter((neuron.layer, own[neuron]) for neuron in drawn) == wanted


def test_the_nearest_decile_where_the_own_one_is_used_up():
    strength = np.arange(100.0)[None]
    found = [Neuron(0, index) for index in range(90, 100)]  # the whole top decile
    for drawn in matched_random(strength, found, draws=20, seed=3, name="x"):
        assert {neuron.index // 10 for neuron in drawn} == {8}
    half = [Neuron(0, index) for index in range(50, 100)]
    (drawn,) = matched_random(strength, half, draws=1, seed=3, name="x")
    assert sorted(drawn) == [Neuron(0, index) for index in range(50)]


def test_decided_by_seed_and_name_alone():
    strength = np.random.default_rng(0).random((3, 40))
    neurons = [Neuron(0, 3), Neuron(2, 7), Neuron(2, 8), Neuron(1, 39)]

    def draw(neurons=neurons, draws=4, seed=1, name="a"):
        return matched_random(strength, neurons, draws=draws, seed=seed, name=name)

    assert draw() == draw()
    assert [set(one) for one in draw(list(reversed(neurons)))] == [set(one) for one in draw()]
    assert draw(draws=6)[:4] == draw()
    assert draw(seed=2) != draw()
    assert draw(name="b") != draw()
    assert len({frozenset(one) for one in draw(draws=20)}) > 15


def test_every_neuron_of_a_decile_gets_its_turn():
    strength = np.arange(50.0)[None]
    sets = matched_random(strength, [Neuron(0, 0)], draws=400, seed=0, name="x")
    counts = Counter(neuron.index for (neuron,) in sets)
    assert counts.keys() == {1, 2, 3, 4}
    assert min(counts.values()) > 60  # 100 each on average


def test_too_few_others():
    with pytest.raises(NotAskable, match="layer 1 has 4 neurons, 3 of them found") as refusal:
        matched_random(np.ones((2, 4)), [Neuron(1, 0), Neuron(1, 1), Neuron(1, 2)], draws=1, seed=0, name="x")
    assert refusal.value.reason == "too-few-other-neurons"


def test_strength_is_value_times_out_weights(one_of_each, shared_model, new_query):
    model = shared_model(one_of_each)
    queries = [new_query(model.kind, tokens=5, seed=1), new_query(model.kind, tokens=7, answer=2, seed=2)]
    found = strengths(model, queries)
    assert found.shape == (model.layer_count, model.width)
    for neuron in (Neuron(0, 0), Neuron(model.layer_count - 1, 5)):
        values = [abs(model.activations([query])[0][neuron]) for query in queries]
        length = np.linalg.norm(model.out_weights([neuron])[0])
        assert found[neuron] == pytest.approx(np.mean(values) * length, rel=1e-5)


def test_as_in_the_released_code_every_neuron_is_as_likely_as_any_other():
    """With replacement: a neuron drawn twice stands there once, and found ones may be drawn."""
    found = [Neuron(0, 0), Neuron(0, 1), Neuron(1, 1)]
    sets = uniform_random(np.zeros((2, 3)), found, draws=3000, seed=1, name="x")
    assert sets == uniform_random(np.ones((2, 3)), found, draws=3000, seed=1, name="x")
    sizes = Counter(len(drawn) for drawn in sets)
    expected = {3: 6 * 5 * 4 / 6**3, 2: 3 * 6 * 5 / 6**3, 1: 6 / 6**3}  # of three throws of a die, how many differ
    for size, share in expected.items():
        assert abs(sizes[size] / 3000 - share) < 4 * (share * (1 - share) / 3000) ** 0.5
    counts = Counter(neuron for drawn in sets for neuron in drawn)
    likely = 1 - (5 / 6) ** 3
    assert set(counts) == {Neuron(layer, index) for layer in range(2) for index in range(3)}
    assert all(abs(count / 3000 - likely) < 4 * (likely * (1 - likely) / 3000) ** 0.5 for count in counts.values())


def test_controls_are_the_names_of_the_settings():
    assert tuple(CONTROLS) == CONTROL_NAMES
