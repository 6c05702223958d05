"""The contract of every family: what is captured is what the MLP uses, and the weights are the neurons' own."""

import re

import numpy as np
import pytest
import torch
import transformers as tf
from torch import nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput

from factneurons.errors import BadModel
from factneurons.models.adapters import ADAPTERS, find_adapter, layers_of, matrix, neuron_values, submodule
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


@pytest.mark.parametrize("family", ["bert", "gpt2", "llama", "phi3", "gpt_neox", "opt", "gemma2"])
def test_structure_alone_finds_what_the_row_says(family, new_model, family_row):
    """A model of unknown type is searched by shapes and by trying; it must come out where the row points."""
    module = new_model(family).backbone.module
    module.config.model_type = "unheard-of"
    found, row = find_adapter(module), ADAPTERS[family]
    assert (found.family, found.verified) == ("found by structure", False)
    assert (found.blocks, found.down, found.up, found.gate, found.fused) == (
        row.blocks, row.down, row.up, row.gate, row.fused,
    )  # fmt: skip
    downs = [layer.down for layer in layers_of(module, found)]
    assert all(one is other for one, other in zip(downs, family_row[family].downs(module), strict=True))


def test_home_made_block_is_found_with_gate_and_up_told_apart(new_model):
    adapter = new_model("home-made").backbone.adapter
    assert (adapter.blocks, adapter.down, adapter.up, adapter.gate) == (("tower",), "writer", "reader", "doorkeeper")
    assert adapter.gated


def test_search_by_structure_leaves_no_hooks(new_model, hooks_of):
    module = new_model("home-made").backbone.module
    assert hooks_of(module) == {}
    module.words = nn.Embedding(1, 16)  # tokens 1, 2 and 3 are out of range now: trying it fails
    with pytest.raises(BadModel, match="no MLP was found"):
        find_adapter(module)
    assert hooks_of(module) == {}


MIXTURES = {
    "mixtral": (tf.MixtralForCausalLM, tf.MixtralConfig, {"num_local_experts": 2}),
    "qwen2_moe": (tf.Qwen2MoeForCausalLM, tf.Qwen2MoeConfig, {"num_experts": 2, "num_experts_per_tok": 1}),
    "olmoe": (tf.OlmoeForCausalLM, tf.OlmoeConfig, {"num_experts": 2, "num_experts_per_tok": 1}),
    "phimoe": (tf.PhimoeForCausalLM, tf.PhimoeConfig, {"num_local_experts": 2}),
    "switch_transformers": (
        tf.SwitchTransformersForConditionalGeneration,
        tf.SwitchTransformersConfig,
        {"num_experts": 2, "d_ff": 24, "d_kv": 8, "num_sparse_encoder_layers": 1, "num_sparse_decoder_layers": 1},
    ),
    "ernie4_5_moe": (tf.Ernie4_5_MoeForCausalLM, tf.Ernie4_5_MoeConfig, {"moe_num_experts": 2}),
}


@pytest.mark.parametrize("kind", MIXTURES)
def test_mixture_of_experts_is_refused(kind):
    model_class, config, options = MIXTURES[kind]
    with torch.device("meta"):
        module = model_class(config(**{**SMALL, **options}))
    with pytest.raises(BadModel, match=rf"^{kind} is a mixture of experts.*not supported$"):
        find_adapter(module)


class _Block(nn.Module):
    def __init__(self, parts):
        super().__init__()
        self.parts = nn.ModuleDict(parts)

    def forward(self, x):
        parts = dict(self.parts.items())
        for name in [name for name in parts if name.startswith("up")]:
            act = parts.get("act" + name[2:], torch.tanh)
            x = x + parts["down" + name[2:]](act(parts[name](x)))
        return x + parts["only"](x) if "only" in parts else x


class _Strange(PreTrainedModel):
    config_class = tf.PretrainedConfig

    def __init__(self, *parts):
        super().__init__(tf.PretrainedConfig(vocab_size=20))
        self.words, self.guess = nn.Embedding(20, 8), nn.Linear(8, 20)
        self.blocks = nn.ModuleList(_Block(part) for part in parts)
        self.post_init()

    def get_input_embeddings(self):
        return self.words

    def forward(self, input_ids, **_):
        x = self.words(input_ids)
        for block in self.blocks:
            x = block(x)
        return CausalLMOutput(logits=self.guess(x))


def mlp(number="", act=nn.GELU):
    parts = {"up" + number: nn.Linear(8, 12), "down" + number: nn.Linear(12, 8)}
    return {**parts, "act" + number: act()} if act else parts


@pytest.mark.parametrize("more", [{}, {"another": nn.GELU()}, {"another": nn.Tanh()}])
def test_plain_block_of_unknown_names_is_found(more):
    """A second activation module that does the same leaves no doubt either."""
    torch.manual_seed(0)
    module = _Strange({**mlp(), **more}, {**mlp(), **more})
    adapter = find_adapter(module)
    assert (adapter.down, adapter.up, adapter.gate) == ("parts.down", "parts.up", None)
    assert isinstance(layers_of(module, adapter)[1].activation, nn.GELU)


@pytest.mark.parametrize(
    ("parts", "candidates"),
    [
        (mlp(act=None), "none"),  # no activation module: the value cannot be told from the in-weights
        ({"only": nn.Linear(8, 8)}, "none"),  # no MLP
        ({**mlp(), **mlp("2")}, "blocks: parts.down, blocks: parts.down2"),  # two of them: which one?
    ],
)
def test_doubt_is_refused_saying_what_was_looked_for(parts, candidates):
    torch.manual_seed(0)
    with pytest.raises(BadModel, match=r"no MLP was found for certain.*looked for a list of equal blocks") as caught:
        find_adapter(_Strange(parts))
    assert f"(candidates: {candidates})" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_row_whose_paths_lead_nowhere_falls_to_structure(new_model):
    """A family's row is checked against the module itself: a fork with other names is not misread."""
    module = new_model("gpt2").backbone.module
    for block in module.transformer.h:
        block.mlp.c_proj, block.mlp.narrow = nn.Identity(), block.mlp.c_proj
        block.mlp.c_proj.register_forward_hook(lambda _, inputs, out, block=block: block.mlp.narrow(out))
    adapter = find_adapter(module)
    assert adapter.family == "found by structure"
    assert adapter.down == "mlp.narrow"


def test_quantised_and_absent_weights_are_refused():
    layer = nn.Linear(4, 3)
    layer.weight = nn.Parameter(torch.zeros(3, 4, dtype=torch.int8), requires_grad=False)
    with pytest.raises(BadModel, match=r"quantised \(torch.int8\)"):
        matrix(layer)
    with torch.device("meta"):
        absent = nn.Linear(4, 3)
    with pytest.raises(BadModel, match="not in memory"):
        matrix(absent)


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
