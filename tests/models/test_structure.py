"""The search of models that have no row: one trial pass, every candidate held against it, doubt refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import transformers as tf
from torch import nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput

from factneurons.attribution.attribute import attribute_all
from factneurons.errors import BadModel
from factneurons.models import structure
from factneurons.models.adapters import ADAPTERS, layers_of, neuron_values
from factneurons.models.limits import position_limit
from factneurons.models.model import Model
from factneurons.models.passes.capture import capture
from factneurons.models.passes.selfcheck import misfit
from factneurons.models.structure import find_adapter

PLAIN = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 32,
}
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


@pytest.mark.parametrize("family", ["bert", "gpt2", "llama", "phi3", "gpt_neox", "opt", "gemma2"])
def test_structure_alone_finds_what_the_row_says(family, new_model, family_row):
    """A model of unknown type is searched by shapes and by trying; it must come out where the row points."""
    module = new_model(family).backbone.module
    module.config.model_type = "unheard-of"
    found, row = find_adapter(module), ADAPTERS[family]
    assert (found.family, found.verified) == ("found by structure", False)
    assert (found.blocks, found.down, found.up, found.gate, found.fused, found.after_mlp, found.after_residual) == (
        row.blocks, row.down, row.up, row.gate, row.fused, row.after_mlp, row.after_residual,
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
    with pytest.raises(BadModel, match="a trial pass over 3 tokens fails in the model itself: IndexError: index out"):
        find_adapter(module)
    assert hooks_of(module) == {}


def test_mixture_whose_experts_are_kept_otherwise_is_refused():
    options = {"num_experts": 2, "d_ff": 24, "d_kv": 8, "num_sparse_encoder_layers": 1, "num_sparse_decoder_layers": 1}
    with torch.device("meta"):
        module = tf.SwitchTransformersForConditionalGeneration(tf.SwitchTransformersConfig(**{**SMALL, **options}))
    with pytest.raises(
        BadModel, match=r"^switch_transformers is a mixture of experts that is not supported: looked for"
    ):
        find_adapter(module)


class _Block(nn.Module):
    function = staticmethod(torch.sin)

    def __init__(self, parts):
        super().__init__()
        self.parts = nn.ModuleDict(parts)

    def forward(self, x):
        parts = dict(self.parts.items())
        for name in [name for name in parts if name.startswith("up")]:
            act = parts.get("act" + name[2:], self.function)
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
        (mlp(act=None), "none"),  # no activation that is known: the value cannot be told from the in-weights
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


def test_values_of_any_size_tell_gate_and_up_apart():
    """Where values are tiny a SiLU is nearly linear, and both orders of its product nearly agree."""
    torch.manual_seed(0)
    module = tf.Olmo3ForCausalLM(tf.Olmo3Config(**SMALL, bos_token_id=1, eos_token_id=1))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(1e-2 if parameter.dim() > 1 else 1.0)
    adapter = find_adapter(module)
    assert (adapter.down, adapter.up, adapter.gate) == ("mlp.down_proj", "mlp.up_proj", "mlp.gate_proj")


@pytest.mark.parametrize(
    ("model_class", "config"),
    [
        (tf.LongformerForMaskedLM, tf.LongformerConfig(vocab_size=40, attention_window=8, **PLAIN)),
        (tf.FNetForMaskedLM, tf.FNetConfig(vocab_size=40, **PLAIN)),  # no attention at all
    ],
)
def test_relatives_of_bert_without_a_row_are_found(model_class, config):
    adapter = find_adapter(model_class(config).eval())
    assert (adapter.down, adapter.up, adapter.gate) == ("output.dense", "intermediate.dense", None)


def test_what_fails_on_a_few_tokens_is_refused_in_one_line():
    config = tf.FunnelConfig(vocab_size=40, d_model=16, n_head=2, d_head=8, d_inner=24)
    with pytest.raises(
        BadModel, match=r"^no MLP was found in this funnel model, [^\n]* fails in the model itself: [^\n]*$"
    ):
        find_adapter(tf.FunnelForMaskedLM(config).eval())


def test_the_search_is_bounded(monkeypatch):
    monkeypatch.setattr(structure, "_MOST", 1)
    with pytest.raises(BadModel, match="candidates: too many"):
        find_adapter(_Strange({**mlp(), **mlp("2")}))


def test_a_function_that_is_no_module_is_found(monkeypatch):
    """LFM2 calls its SiLU as a function."""
    monkeypatch.setattr(_Block, "function", staticmethod(torch.tanh))
    torch.manual_seed(0)
    module = _Strange(mlp(act=None))
    adapter = find_adapter(module)
    assert (adapter.down, adapter.up, adapter.activation, adapter.function) == ("parts.down", "parts.up", None, "tanh")
    (layer,) = layers_of(module, adapter)
    assert layer.activation is None
    assert torch.equal(neuron_values(layer, adapter, torch.ones(2), None), torch.ones(2).tanh())


POST_NORM = {
    "olmo3": (tf.Olmo3ForCausalLM, tf.Olmo3Config, {}, "post_feedforward_layernorm"),
    "exaone4": (tf.Exaone4ForCausalLM, tf.Exaone4Config, {"sliding_window": 4}, "post_feedforward_layernorm"),
    "glm4": (tf.Glm4ForCausalLM, tf.Glm4Config, {"head_dim": 8}, "post_mlp_layernorm"),
    "apertus": (tf.ApertusForCausalLM, tf.ApertusConfig, {}, None),
}


def gemma3_with_pictures():
    """A model of pictures and text, asked about text."""
    text = {**SMALL, "head_dim": 8, "sliding_window": 4, "bos_token_id": 1, "eos_token_id": 1}
    sizes = {"num_hidden_layers": 1, "num_attention_heads": 2, "hidden_size": 16, "intermediate_size": 24}
    vision = tf.SiglipVisionConfig(**sizes, image_size=8, patch_size=4)
    tokens = {"image_token_index": 5, "boi_token_index": 6, "eoi_token_index": 7, "mm_tokens_per_image": 4}
    config = tf.Gemma3Config(text_config=tf.Gemma3TextConfig(**text), vision_config=vision, **tokens)
    return tf.Gemma3ForConditionalGeneration(config)


@pytest.mark.parametrize("kind", [*POST_NORM, "gemma3"])
def test_what_stands_behind_the_mlp_is_found_and_the_fast_path_fits(kind, new_query):
    """The fast path's values and gradients are those of whole prompts; `misfit` compares them in every layer."""
    torch.manual_seed(0)
    if kind == "gemma3":
        module, behind = gemma3_with_pictures(), "post_feedforward_layernorm"
    else:
        model_class, config, more, behind = POST_NORM[kind]
        module = model_class(config(**{**SMALL, **more, "bos_token_id": 1, "eos_token_id": 1}))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    model = Model(module, None, name=kind, kind="causal")
    adapter = model.backbone.adapter
    assert (adapter.family, adapter.after_mlp, adapter.after_residual) == ("found by structure", behind, None)
    query = replace(new_query("causal"), input_ids=(8, 9, 10, 11, 12, 13), answer_ids=(14,))
    assert misfit(model.backbone, capture(model.backbone, [query], [(0, (0,))])) == ""


def test_a_model_of_pictures_is_read_by_its_text():
    module = gemma3_with_pictures()
    assert position_limit(module) == 32
    module.config.text_config.final_logit_softcapping = 2.0
    assert Model(module, None, name="gemma3", kind="causal").backbone.head.cap == 2.0


GAUSS = {"rule": "gauss_legendre", "points": 3}


def test_an_output_that_is_multiplied_before_it_is_added(new_query):
    """Granite's blocks multiply what attention and MLP give; so do weights that are multiplied instead."""
    config = {**SMALL, "vocab_size": 48, "tie_word_embeddings": False, "logits_scaling": 2.0}
    torch.manual_seed(3)
    scaled = tf.GraniteForCausalLM(tf.GraniteConfig(**config, residual_multiplier=0.25)).double()
    plain = tf.GraniteForCausalLM(tf.GraniteConfig(**config, residual_multiplier=1.0)).double()
    with torch.no_grad():
        for parameter in scaled.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
        plain.load_state_dict(scaled.state_dict())
        for block in plain.model.layers:
            block.self_attn.o_proj.weight.mul_(0.25)
            block.mlp.down_proj.weight.mul_(0.25)
    one, other = (Model(module, None, name="granite", kind="causal") for module in (scaled, plain))
    assert [layer.factor for layer in one.backbone.layers] == pytest.approx([0.25, 0.25])
    assert [layer.factor for layer in other.backbone.layers] == [1.0, 1.0]
    query = new_query("causal", answer=2)
    for method in ("joint", "dai", "direct_logit", "log_probability_increase"):
        found, true = (attribute_all(model, [query], method=method, **GAUSS)[0].scores for model in (one, other))
        np.testing.assert_allclose(found, true, rtol=1e-4, atol=1e-9, err_msg=method)
    assert one.backbone.fast_path.fits


def test_logits_that_are_scaled_before_the_projection(new_query):
    """MiniCPM divides the projection's input, Granite its output; both call the number logits_scaling."""
    config = {**SMALL, "vocab_size": 48, "dim_model_base": 4, "scale_depth": 0.8, "num_key_value_heads": 2}
    more = {"kv_lora_rank": 8, "q_lora_rank": 8, "qk_nope_head_dim": 4, "qk_rope_head_dim": 4, "v_head_dim": 4}
    torch.manual_seed(0)
    module = tf.MiniCPM3ForCausalLM(tf.MiniCPM3Config(**config, **more)).double()
    model = Model(module, None, name="minicpm", kind="causal")
    query = new_query("causal", answer=2)
    with torch.no_grad():
        logs = module(input_ids=torch.tensor([query.input_ids])).logits[0].log_softmax(-1)
    true = sum(logs[place, token] for place, token in zip(query.target_positions, query.answer_ids, strict=True))
    np.testing.assert_allclose(model.log_probabilities([query]), [float(true)], rtol=1e-9)
    assert model.backbone.head.scale == 1.0


def test_logits_that_are_multiplied_by_what_divides_elsewhere(new_query):
    config = tf.HyperCLOVAXConfig(**{**SMALL, "vocab_size": 48, "logits_scaling": 2.0})
    torch.manual_seed(0)
    model = Model(tf.HyperCLOVAXForCausalLM(config).double(), None, name="hyperclova", kind="causal")
    query = new_query("causal")
    with torch.no_grad():
        logs = model.backbone.module(input_ids=torch.tensor([query.input_ids])).logits[0].log_softmax(-1)
    true = float(logs[query.target_positions[0], query.answer_ids[0]])
    np.testing.assert_allclose(model.log_probabilities([query]), [true], rtol=1e-9)
    assert model.backbone.head.scale == 2.0


OWN_ATTENTION = {
    "sinks": (
        tf.GptOssForCausalLM,
        tf.GptOssConfig(**{**SMALL, "vocab_size": 48}, num_local_experts=2, num_experts_per_tok=1,
                         head_dim=8, sliding_window=3),
    ),
    "keys and values are made of what is kept": (
        tf.DeepseekV3ForCausalLM,
        tf.DeepseekV3Config(
            **{**SMALL, "vocab_size": 48, "num_key_value_heads": 2}, kv_lora_rank=8, q_lora_rank=8, qk_rope_head_dim=4,
            qk_nope_head_dim=6, v_head_dim=8, first_k_dense_replace=1,
            n_routed_experts=2, num_experts_per_tok=1, n_group=1, topk_group=1, moe_intermediate_size=8,
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", OWN_ATTENTION)
def test_attention_of_its_own_sort_goes_by_rows(kind, new_query):
    """Prompts of different lengths in one batch, and answers of two tokens: the stored past must be cut and masked."""
    model_class, config = OWN_ATTENTION[kind]
    torch.manual_seed(1)
    module = model_class(config).double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    model = Model(module, None, name=kind, kind="causal")
    queries = [new_query("causal", answer=2, seed=seed) for seed in range(3)]
    queries[1] = replace(
        queries[1], input_ids=queries[1].input_ids[2:],
        target_positions=tuple(place - 2 for place in queries[1].target_positions), replaceable=(), words=(),
    )  # fmt: skip
    sets = [[(0, 1), (1, 5)], [(0, 3)], [(1, 0)]]
    fast = model.probabilities_with(queries, sets)
    scores = [found.scores for found in attribute_all(model, queries, method="joint", **GAUSS)]
    assert model.backbone.fast_path.fits
    model.backbone.fast_path.fits = False
    np.testing.assert_allclose(fast, model.probabilities_with(queries, sets), rtol=1e-6)
    for found, true in zip(scores, attribute_all(model, queries, method="joint", **GAUSS), strict=True):
        np.testing.assert_allclose(found, true.scores, rtol=1e-3, atol=1e-8)
