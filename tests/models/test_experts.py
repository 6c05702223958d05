"""Experts side by side are the experts transformers runs, and a neuron of them is a neuron as any other."""

import copy

import numpy as np
import pytest
import torch
import transformers as tf
from torch import nn

from factneurons.attribution.methods import attribute_all
from factneurons.errors import BadModel
from factneurons.models.experts import JoinedExperts, join_experts
from factneurons.models.model import Model
from factneurons.models.types import Neuron

EXPERTS, SIZE, CHOSEN = 4, 8, 2
SMALL = {
    "vocab_size": 48, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1,
    "max_position_embeddings": 32, "pad_token_id": 0, "num_experts_per_tok": CHOSEN, "tie_word_embeddings": False,
}  # fmt: skip
KINDS = {
    "mixtral": (tf.MixtralForCausalLM, tf.MixtralConfig, {"num_local_experts": EXPERTS, "intermediate_size": SIZE}),
    "qwen3_moe": (
        tf.Qwen3MoeForCausalLM, tf.Qwen3MoeConfig,
        {"num_experts": EXPERTS, "moe_intermediate_size": SIZE, "head_dim": 8, "norm_topk_prob": True},
    ),
    "olmoe": (
        tf.OlmoeForCausalLM, tf.OlmoeConfig,
        {"num_experts": EXPERTS, "intermediate_size": SIZE, "num_key_value_heads": 2, "norm_topk_prob": False},
    ),
}  # fmt: skip


def original(kind, dtype=torch.float32):
    model_class, config, more = KINDS[kind]
    torch.manual_seed(0)
    module = model_class(config(**{**SMALL, **more}))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return module.to(dtype).eval()


@pytest.fixture(params=KINDS)
def pair(request):
    """A model as transformers has it, and the same one with its experts side by side."""
    module = original(request.param)
    return module, Model(copy.deepcopy(module), None, name=request.param, kind="causal")


def logits(module, query):
    with torch.no_grad():
        return module(input_ids=torch.tensor([query.input_ids])).logits


def routed(module, query):
    """Per layer what its experts were given: hidden states, the chosen ones [tokens, chosen], their weights."""
    seen = []
    handles = [
        block.mlp.experts.register_forward_pre_hook(lambda _, inputs: seen.append(inputs))
        for block in module.model.layers
    ]
    logits(module, query)
    for handle in handles:
        handle.remove()
    return seen


def values_of(model, query):
    seen = []
    handles = [
        layer.down.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        for layer in model.backbone.layers
    ]
    logits(model.backbone.module, query)
    for handle in handles:
        handle.remove()
    return seen


def test_the_model_is_the_same(pair, new_query):
    module, model = pair
    assert model.backbone.adapter.family == "mixtral"
    assert (model.width, model.backbone.experts) == (EXPERTS * SIZE, EXPERTS)
    for seed in range(3):
        query = new_query("causal", seed=seed)
        found = logits(model.backbone.module, query)
        torch.testing.assert_close(found, logits(module, query), rtol=1e-5, atol=1e-5)


def test_values_are_those_of_the_chosen_experts(pair, new_query):
    module, model = pair
    query = new_query("causal")
    for layer, (given, values) in enumerate(zip(routed(module, query), values_of(model, query), strict=True)):
        hidden, chosen, weights = given
        inward = torch.from_numpy(model.in_weights([(layer, index) for index in range(model.width)])).float()
        act = module.model.layers[layer].mlp.experts.act_fn
        expected = torch.zeros(len(hidden), EXPERTS, SIZE)
        for token in range(len(hidden)):
            for expert, weight in zip(chosen[token].tolist(), weights[token], strict=True):
                gate, up = (inward[expert * SIZE : (expert + 1) * SIZE, part] @ hidden[token] for part in (0, 1))
                expected[token, expert] = weight * act(gate) * up
        torch.testing.assert_close(values, expected.flatten(1), rtol=1e-4, atol=1e-5)
        assert (values.view(len(hidden), EXPERTS, SIZE) != 0).any(-1).sum(-1).eq(CHOSEN).all()


def test_suppression_is_a_neuron_taken_out_of_its_expert(pair, new_query):
    module, model = pair
    query, neuron = new_query("causal"), Neuron(1, 2 * SIZE + 3)
    with torch.no_grad():
        module.model.layers[1].mlp.experts.down_proj[2, :, 3] = 0.0
    with model.suppress([neuron], positions="all"):
        torch.testing.assert_close(logits(model.backbone.module, query), logits(module, query), rtol=1e-5, atol=1e-5)
    with model.scale_weights([neuron], 0.0, parts="out"):
        torch.testing.assert_close(logits(model.backbone.module, query), logits(module, query), rtol=1e-5, atol=1e-5)
    at_once = model.probabilities_with([query], [[neuron]])[0, 0]
    with model.suppress([neuron]):
        assert at_once == pytest.approx(model.probabilities([query])[0], rel=1e-4)


@pytest.mark.parametrize("method", ["dai", "gradient_x_activation", "suppression"])
def test_who_was_not_chosen_has_no_score(method, pair, new_query):
    _, model = pair
    query = new_query("causal")
    scores = attribute_all(model, [query], method=method, rule="radau", points=4)[0].scores
    for layer, values in enumerate(values_of(model, query)):
        silent = (values[query.target_positions[0]] == 0).numpy()
        assert silent.sum() == (EXPERTS - CHOSEN) * SIZE
        assert np.abs(scores[layer][silent]).max() < 1e-5 * np.abs(scores[layer][~silent]).max()


def test_saved_as_it_was_loaded(pair, tmp_path, new_query):
    module, model = pair
    assert {name: tuple(tensor.shape) for name, tensor in model.backbone.module.state_dict().items()} == {
        name: tuple(tensor.shape) for name, tensor in module.state_dict().items()
    }
    for name, tensor in module.state_dict().items():
        assert torch.equal(model.backbone.module.state_dict()[name], tensor), name
    model.backbone.module.save_pretrained(tmp_path)
    again = type(module).from_pretrained(tmp_path)
    query = new_query("causal")
    torch.testing.assert_close(logits(again, query), logits(module, query), rtol=1e-5, atol=1e-5)


def test_relevance_says_that_it_has_no_rule(pair, new_query):
    with pytest.raises(BadModel, match="relevance has no rule for the router"):
        attribute_all(pair[1], [new_query("causal")], method="relp")


def test_a_dense_layer_among_mixtures_is_refused():
    model_class, config, more = KINDS["qwen3_moe"]
    module = model_class(config(**{**SMALL, **more, "intermediate_size": 8, "mlp_only_layers": [0]}))
    with pytest.raises(BadModel, match="not every layer of this qwen3_moe model is a mixture of experts"):
        Model(module, None, name="a model", kind="causal")


def test_other_modules_stay_as_they_are():
    module = nn.ModuleDict({"experts": nn.ModuleList([nn.Linear(2, 2)])})
    join_experts(module)
    assert isinstance(module["experts"], nn.ModuleList)


def test_experts_on_several_devices_are_refused():
    module = original("mixtral")
    module.model.layers[0].mlp.experts._hf_hook = object()
    with pytest.raises(BadModel, match="cannot be spread over devices"):
        join_experts(module)
    assert isinstance(JoinedExperts(module.model.layers[1].mlp.experts), nn.Module)


def test_neurons_without_experts_are_of_one(shared_model):
    assert shared_model("llama").backbone.experts == 1
    assert np.isfinite(shared_model("mixtral").out_weights([(0, 0)])).all()
