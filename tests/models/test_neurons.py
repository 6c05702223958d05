"""Which neurons there are, and their weights."""

import numpy as np
import pytest

from factneurons.errors import BadSetting
from factneurons.models.neurons import checked, existing, out_norms
from factneurons.models.types import Neuron


def test_weights_come_in_the_order_asked_for(shared_model):
    model = shared_model("llama")
    neurons = [Neuron(2, 5), Neuron(0, 1), Neuron(2, 3)]
    together = model.out_weights(neurons), model.in_weights(neurons)
    for place, neuron in enumerate(neurons):
        assert np.array_equal(together[0][place], model.out_weights([neuron])[0])
        assert np.array_equal(together[1][place], model.in_weights([neuron])[0])
    mlp = model.backbone.layers[2].block.mlp
    assert np.array_equal(together[0][0], mlp.down_proj.weight[:, 5].numpy())
    assert np.array_equal(together[1][0, 0], mlp.gate_proj.weight[5].numpy())
    assert np.array_equal(together[1][0, 1], mlp.up_proj.weight[5].numpy())


def test_weights_with_repeated_neurons(shared_model):
    model = shared_model("gpt2")
    found = model.out_weights([(0, 1), (1, 2), (0, 1)])
    assert len(found) == 3
    assert np.array_equal(found[0], found[2])


def test_neurons_that_are_not_there(shared_model):
    with pytest.raises(BadSetting, match="layers are 0 to 2, indices 0 to 23"):
        shared_model("bert").out_weights([(3, 0)])


def test_checked_neurons_keep_their_order_and_lose_their_doubles(shared_model):
    backbone = shared_model("gpt2").backbone
    assert checked(backbone, [(2, 1), (0, 5), (2, 1)]) == [Neuron(2, 1), Neuron(0, 5)]
    assert existing(backbone, [(2, 1), (0, 5), (2, 1)]) == [Neuron(2, 1), Neuron(0, 5), Neuron(2, 1)]


def test_norms_are_the_lengths_of_the_out_weights(every_family, shared_model):
    model = shared_model(every_family)
    found = out_norms(model.backbone)
    assert found.shape == (model.layer_count, model.width)
    for layer in range(model.layer_count):
        weights = model.out_weights([(layer, index) for index in range(model.width)])
        np.testing.assert_allclose(found[layer], np.linalg.norm(weights, axis=1), rtol=1e-6)
