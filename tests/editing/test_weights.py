"""The out-weights of neurons: which they are, that writing changes nothing else, and adding without writing."""

from __future__ import annotations

import pytest
import torch

from factneurons.editing.weights import (
    added,
    check_editable,
    hash_of_the_rest,
    identity,
    same_bits,
    weights_of,
    write_weights,
)
from factneurons.errors import BadModel, BadSetting
from factneurons.models.adapters import neuron_values
from factneurons.models.types import Neuron

NEURONS = [Neuron(1, 2), Neuron(0, 5), Neuron(0, 1)]


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_a_column_is_what_one_unit_of_the_neuron_writes(every_family, shared_model, family_row):
    model = shared_model(every_family)
    downs = family_row[every_family].downs(model.backbone.module)
    for neuron, column in zip(NEURONS, weights_of(model, NEURONS), strict=True):
        unit = torch.zeros(1, model.width, dtype=model.backbone.dtype)
        nothing = downs[neuron.layer](unit)
        unit[0, neuron.index] = 1.0
        torch.testing.assert_close(column, (downs[neuron.layer](unit) - nothing)[0].detach(), rtol=0, atol=1e-6)


def test_columns_are_copies(new_model):
    model = new_model("gpt2")
    found = weights_of(model, NEURONS)
    kept = found.clone()
    found += 1
    assert same_bits(weights_of(model, NEURONS), kept)
    assert weights_of(model, []).shape == (0, model.backbone.hidden_size)


def test_writing_changes_these_columns_and_nothing_else(one_of_each, new_model, bytes_of):
    model = new_model(one_of_each)
    before, old = bytes_of(model), weights_of(model, NEURONS)
    others = [Neuron(layer, index) for layer in (0, 1) for index in range(10) if Neuron(layer, index) not in NEURONS]
    untouched = weights_of(model, others)
    new = noise(*old.shape).to(old.dtype)
    write_weights(model, NEURONS, new)
    assert same_bits(weights_of(model, NEURONS), new)
    assert same_bits(weights_of(model, others), untouched)
    assert sum(bytes_of(model)[name] != bits for name, bits in before.items()) == 2  # one matrix in each layer
    write_weights(model, NEURONS, old)
    assert bytes_of(model) == before


def test_all_weights_of_a_neuron_are_those_it_works_with(every_family, new_model):
    """A neuron whose weights and biases are all zero writes nothing, whatever it reads; the others do as before."""
    model = new_model(every_family, torch.float32)
    layer, adapter = model.backbone.layers[1], model.backbone.adapter
    inputs = noise(4, model.backbone.hidden_size, seed=3).float()

    def values():
        gate = None if layer.gate is None else layer.gate(inputs)
        return neuron_values(layer, adapter, layer.up(inputs), gate)

    before, rest = values(), hash_of_the_rest(model, [Neuron(1, 2)], "neurons")
    old = weights_of(model, [Neuron(1, 2)], "neurons")
    assert same_bits(old[:, : model.backbone.hidden_size], weights_of(model, [Neuron(1, 2)]))
    assert old.shape[1] >= model.backbone.hidden_size * (3 if adapter.gated else 2)
    write_weights(model, [Neuron(1, 2)], torch.zeros_like(old), "neurons")
    after = values()
    changed = (after != before).any(0).nonzero().flatten().tolist()
    assert changed == [2]
    assert not after[:, 2].any()
    assert not weights_of(model, [Neuron(1, 2)]).any()
    assert hash_of_the_rest(model, [Neuron(1, 2)], "neurons") == rest
    assert hash_of_the_rest(model, [Neuron(1, 3)], "neurons") != rest


def test_the_whole_model_is_one_row(new_model, bytes_of):
    model = new_model("gpt2")
    before, old, about = bytes_of(model), weights_of(model, (), "model"), identity(model, "model")
    assert old.shape == (1, sum(each.numel() for each in model.backbone.module.parameters()))
    write_weights(model, (), old + 1, "model")
    assert all(bits != bytes_of(model)[name] for name, bits in before.items())
    assert identity(model, "model") == about
    write_weights(model, (), old, "model")
    assert bytes_of(model) == before


def test_the_identity_of_a_model_outlives_edits_and_nothing_else(new_model):
    model = new_model("gpt2")
    before = identity(model)
    assert before == identity(new_model("gpt2"))
    write_weights(model, NEURONS, weights_of(model, NEURONS) + 1)
    assert identity(model) == before
    with torch.no_grad():
        model.backbone.layers[0].up.weight[0, 0] += 1
    assert identity(model) != before


def test_same_bits_are_more_than_equal_numbers():
    zero = torch.zeros(2)
    assert same_bits(zero, zero.clone())
    assert not same_bits(zero, -zero)  # -0.0 == 0.0
    assert not same_bits(zero, zero.double())
    assert not same_bits(zero, zero[:1])
    not_a_number = torch.full((2,), float("nan"))
    assert same_bits(not_a_number, not_a_number.clone())


def test_added_everywhere_is_written(editable_family, new_model, new_query, hooks_of):
    """A change that is added at all positions does what the same change does when it is written."""
    model = new_model(editable_family)
    query = new_query(model.kind, answer=2)
    old = weights_of(model, NEURONS)
    change = noise(*old.shape).to(old.dtype)
    plain, hooks = model.log_probabilities([query])[0], hooks_of(model.backbone.module)
    with added(model, NEURONS, change, "all"):
        found = model.log_probabilities([query])[0]
    assert hooks_of(model.backbone.module) == hooks
    assert same_bits(weights_of(model, NEURONS), old)
    write_weights(model, NEURONS, old + change)
    written = model.log_probabilities([query])[0]
    assert found == pytest.approx(written, rel=1e-5)
    assert found != pytest.approx(plain, rel=1e-4)


def test_a_change_for_each_row(one_of_each, shared_model, new_query):
    model = shared_model(one_of_each)
    queries = [new_query(model.kind, seed=seed) for seed in range(3)]
    changes = noise(3, len(NEURONS), model.backbone.hidden_size).to(model.backbone.dtype)
    with added(model, NEURONS, changes, "target"):
        together = model.log_probabilities(queries)
    for query, change, found in zip(queries, changes, together, strict=True):
        with added(model, NEURONS, change, "target"):
            assert model.log_probabilities([query])[0] == pytest.approx(found, rel=1e-5)


def test_adding_nothing_and_adding_nowhere(shared_model, new_query):
    model = shared_model("gpt2")
    query = new_query(model.kind)
    before = model.log_probabilities([query])[0]
    with added(model, NEURONS, torch.zeros(3, model.backbone.hidden_size), "all"):
        assert model.log_probabilities([query])[0] == pytest.approx(before, rel=1e-12)
    with pytest.raises(BadSetting), added(model, NEURONS, torch.zeros(3, 1), "somewhere"):
        pass


class TestRefusals:
    def test_an_ordinary_model_is_editable(self, editable_family, shared_model):
        check_editable(shared_model(editable_family))

    def test_quantised(self, new_model):
        model = new_model("gpt2")
        model.backbone.module.config.quantization_config = {"bits": 4}
        with pytest.raises(BadModel, match="is quantised, so its weights cannot be edited"):
            check_editable(model)

    @pytest.mark.parametrize(("places", "fine"), [({"a": 0, "b": "0"}, True), ({"a": 0, "b": "cpu"}, False)])
    def test_spread_over_devices(self, new_model, places, fine):
        model = new_model("gpt2")
        model.backbone.module.hf_device_map = places
        if fine:
            check_editable(model)
        else:
            with pytest.raises(BadModel, match="is spread over 2 places"):
                check_editable(model)

    def test_layers_that_share_their_weights(self, new_model):
        model = new_model("gpt2")
        model.backbone.layers[1].down.weight = model.backbone.layers[0].down.weight
        with pytest.raises(BadModel, match="are one tensor, so an edit of one neuron would change several"):
            check_editable(model)

    def test_weights_of_several_types(self, new_model):
        model = new_model("gpt2", torch.float32)
        model.backbone.module.transformer.ln_f.double()
        check_editable(model)
        with pytest.raises(BadModel, match=r"of several types \(float32, float64\)"):
            check_editable(model, "neurons")
