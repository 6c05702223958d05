"""The contract of every family: what is captured is what the MLP uses, and the weights are the neurons' own."""

import re

import numpy as np
import pytest
import torch
import transformers as tf
from torch import nn
from transformers.pytorch_utils import Conv1D

from factneurons.attribution.attribute import attribute_all
from factneurons.errors import BadModel
from factneurons.models.adapters import (
    ADAPTERS,
    is_quantised,
    layers_of,
    matrix,
    neuron_values,
    submodule,
    weights_of,
)
from factneurons.models.model import Model
from factneurons.models.neurons import out_norms
from factneurons.models.structure import find_adapter
from factneurons.models.types import Neuron

SMALL = {
    "vocab_size": 40,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 32,
    "pad_token_id": 0,
}
DTYPES = (torch.float32, torch.float64)


def replaced(model, inputs, change):
    """Logits of a pass in which `change(layer, value)` takes the place of each down-projection's input."""
    handles = [
        layer.down.register_forward_pre_hook(lambda _, inputs, n=n: (change(n, inputs[0]),))
        for n, layer in enumerate(model.backbone.layers)
    ]
    try:
        with torch.no_grad():
            return model.backbone.module(**inputs).logits
    finally:
        for handle in handles:
            handle.remove()


def all_neurons(model, layer):
    return [Neuron(layer, index) for index in range(model.width)]


def test_every_row_is_held_against_the_contract(family_row):
    assert set(family_row) - {"home-made"} == {name for name, row in ADAPTERS.items() if row.verified}
    assert set(family_row) - {"home-made"} == set(ADAPTERS)


def test_row_is_found_and_points_at_the_down_projections(every_family, shared_model, family_row):
    model = shared_model(every_family)
    expected = "found by structure" if every_family == "home-made" else every_family
    assert model.backbone.adapter.family == expected
    assert model.backbone.adapter.verified == (every_family != "home-made")
    downs = family_row[every_family].downs(model.backbone.module)
    assert len(downs) == model.layer_count
    assert all(layer.down is down for layer, down in zip(model.backbone.layers, downs, strict=True))
    assert (model.width, model.backbone.hidden_size) == tuple(matrix(downs[0]).T.shape)


@pytest.mark.trial("hooked")
@pytest.mark.parametrize("dtype", DTYPES)
def test_replacing_the_value_by_itself_leaves_logits_bit_equal(every_family, dtype, shared_model, asked, inputs_of):
    model, query = shared_model(every_family, dtype, exact_norms=False), asked(every_family)
    kept = {}
    with torch.no_grad():
        untouched = model.backbone.module(**inputs_of(query)).logits
    once = replaced(model, inputs_of(query), lambda layer, value: kept.setdefault(layer, value.clone()))
    again = replaced(model, inputs_of(query), lambda layer, value: kept[layer].clone())
    assert torch.equal(once, untouched)
    assert torch.equal(again, untouched)
    for changed in range(model.layer_count):  # and what is put there is what is used
        other = replaced(model, inputs_of(query), lambda layer, value, n=changed: value * 0 if layer == n else value)
        assert not torch.equal(other, untouched)


@pytest.mark.parametrize("dtype", DTYPES)
def test_value_times_out_weights_gives_the_output(every_family, dtype, shared_model, asked, seen_in):
    model = shared_model(every_family, dtype, exact_norms=False)
    for number, seen in enumerate(seen_in(model, asked(every_family))):
        value, output = (part.double().numpy() for part in seen["down"])
        bias = getattr(model.backbone.layers[number].down, "bias", None)
        written = value @ model.out_weights(all_neurons(model, number)) + (
            0 if bias is None else bias.detach().double().numpy()
        )
        np.testing.assert_allclose(written, output, rtol=0, atol=1e-12 if dtype == torch.float64 else 2e-5)


@pytest.mark.parametrize("dtype", DTYPES)
def test_in_weights_and_bias_through_the_activation_give_the_value(every_family, dtype, shared_model, asked, seen_in):
    model = shared_model(every_family, dtype, exact_norms=False)
    if model.backbone.adapter.experts:
        pytest.skip("the router's weight is part of the value: test_experts.py")
    for number, seen in enumerate(seen_in(model, asked(every_family))):
        read = seen["up"][0].double()
        weights = torch.from_numpy(model.in_weights(all_neurons(model, number)))
        assert weights.shape == (model.width, 2 if model.backbone.adapter.gated else 1, model.backbone.hidden_size)
        bias = getattr(model.backbone.layers[number].up, "bias", None)
        up = read @ weights[:, -1].T + (0.0 if bias is None else bias.double())
        act = model.backbone.layers[number].activation
        value = act(read @ weights[:, 0].T) * up if model.backbone.adapter.gated else act(up)
        true = seen["down"][0].double()
        assert true.abs().max() > 0.05
        np.testing.assert_allclose(value, true, rtol=0, atol=1e-12 if dtype == torch.float64 else 2e-5)


def test_neuron_values_from_what_the_projections_give(every_family, shared_model, asked, seen_in):
    model = shared_model(every_family)
    if model.backbone.adapter.experts:
        pytest.skip("the router's weight is part of the value: test_experts.py")
    for layer, seen in zip(model.backbone.layers, seen_in(model, asked(every_family)), strict=True):
        gate = None if layer.gate is None else seen["gate"][1]
        assert torch.equal(neuron_values(layer, model.backbone.adapter, seen["up"][1], gate), seen["down"][0])


@pytest.mark.parametrize(
    ("family", "model_class", "config"),
    [
        ("t5 (gated)", tf.MT5ForConditionalGeneration, tf.MT5Config(
            vocab_size=40, d_model=16, d_ff=24, d_kv=8, num_layers=2, num_heads=2, decoder_start_token_id=0)),
        ("t5 (gated)", tf.UMT5ForConditionalGeneration, tf.UMT5Config(
            vocab_size=40, d_model=16, d_ff=24, d_kv=8, num_layers=2, num_heads=2, decoder_start_token_id=0)),
        ("roberta", tf.CamembertForMaskedLM, tf.CamembertConfig(**SMALL)),
        ("xlm-roberta", tf.XLMRobertaXLForMaskedLM, tf.XLMRobertaXLConfig(**SMALL)),
    ],
)  # fmt: skip
def test_relatives_share_a_row(family, model_class, config):
    module = model_class(config).double().eval()
    adapter = find_adapter(module)
    assert adapter.family == family
    assert adapter.verified
    layer = layers_of(module, adapter)[-1]
    seen = {}
    layer.up.register_forward_hook(lambda _, inputs, out: seen.__setitem__("up", out))
    if layer.gate is not None:
        layer.gate.register_forward_hook(lambda _, inputs, out: seen.__setitem__("gate", out))
    layer.down.register_forward_pre_hook(lambda _, inputs: seen.__setitem__("value", inputs[0]))
    ids = torch.tensor([[4, 5, 6, 7]])
    with torch.no_grad():
        module(input_ids=ids, **({"decoder_input_ids": ids} if module.config.is_encoder_decoder else {}))
    assert torch.equal(neuron_values(layer, adapter, seen["up"], seen.get("gate")), seen["value"])


def test_quantised_and_absent_weights_are_refused():
    layer = nn.Linear(4, 3)
    layer.weight = nn.Parameter(torch.zeros(3, 4, dtype=torch.int8), requires_grad=False)
    with pytest.raises(BadModel, match=r"quantised \(torch.int8\)"):
        matrix(layer)
    with torch.device("meta"):
        absent = nn.Linear(4, 3)
    for read in (matrix, weights_of):
        with pytest.raises(BadModel, match="not in memory"):
            read(absent)


class Packed(nn.Linear):
    """Whole numbers and a scale per output, as quantised layers keep them."""

    def __init__(self, original):
        super().__init__(original.in_features, original.out_features, original.bias is not None, device="meta")
        self.scale = original.weight.detach().abs().amax(1, keepdim=True) / 127
        whole = (original.weight.detach() / self.scale).round().to(torch.int8)
        self.weight, self.bias = nn.Parameter(whole, requires_grad=False), original.bias

    def forward(self, x):
        return nn.functional.linear(x, self.weight.to(x) * self.scale.to(x), self.bias)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("inputs", [7, 512, 700])
def test_quantised_weights_are_read_off_the_module(inputs, bias):
    torch.manual_seed(0)
    packed = Packed(nn.Linear(inputs, 5, bias=bias))
    true = packed.weight * packed.scale
    assert is_quantised(packed)
    torch.testing.assert_close(weights_of(packed), true, rtol=0, atol=2e-7)


@pytest.mark.parametrize("layer", [nn.Linear(4, 3), Conv1D(3, 4)])
def test_plain_weights_are_read_as_a_view(layer):
    assert not is_quantised(layer)
    assert weights_of(layer).data_ptr() == layer.weight.data_ptr()
    assert weights_of(layer).shape == (3, 4)


def test_a_quantised_model_is_asked_as_one_that_holds_what_it_stands_for(new_model, new_query, monkeypatch):
    """Only changes of weights are refused; the attention is quantised as well."""
    plain, packed = new_model("llama", torch.float32), new_model("llama", torch.float32)
    for part in list(packed.backbone.module.model.layers.modules()):
        for name, child in list(part.named_children()):
            if isinstance(child, nn.Linear):
                setattr(part, name, Packed(child))
    with torch.no_grad():
        for path, child in packed.backbone.module.named_modules():
            if isinstance(child, Packed):
                plain.backbone.module.get_submodule(path).weight.copy_(child.weight * child.scale)
    packed = Model(packed.backbone.module, packed.backbone.tokenizer, name="packed", kind="causal")
    assert packed.backbone.dtype == torch.float32
    query, neurons = new_query("causal", answer=2), [(0, 1), (2, 5)]
    for ask in (
        lambda model: model.probabilities_with([query], [neurons, []]),
        lambda model: attribute_all(model, [query], method="joint")[0].scores,
        lambda model: attribute_all(model, [query], method="direct_logit")[0].scores,
        lambda model: model.out_weights(neurons),
        lambda model: model.in_weights(neurons),
        lambda model: out_norms(model.backbone),
    ):
        np.testing.assert_allclose(ask(packed), ask(plain), rtol=1e-4, atol=1e-6)
    assert packed.backbone.fast_path.fits
    with (
        pytest.raises(BadModel, match=r"the weights of Packed are quantised \(torch.int8\), so they cannot be changed"),
        packed.scale_weights(neurons, 0.0),
    ):
        pass


def test_submodule_paths():
    module = nn.Sequential(nn.Linear(1, 2), nn.Sequential(nn.Tanh()))
    assert submodule(module, "-1.0") is module[1][0]
    assert submodule(module, "0") is module[0]
    assert submodule(module, "1.weight") is None
    assert submodule(nn.Sequential(), "-1") is None
    assert submodule(module, "7") is None


def test_rows_say_what_is_wrong_when_asked_for_the_impossible(new_model):
    module = new_model("gpt2").backbone.module
    with pytest.raises(BadModel, match=re.escape("no list of blocks at 'layers' of GPT2Model")):
        layers_of(module, ADAPTERS["llama"])
    with pytest.raises(BadModel, match=re.escape("no projection matrix at 'mlp.fc_out' of GPT2Block")):
        layers_of(module, ADAPTERS["gptj"])
