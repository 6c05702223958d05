"""Experts side by side are the experts transformers runs, and a neuron of them is a neuron as any other."""

import copy

import numpy as np
import pytest
import torch
import transformers as tf
from torch import nn

from factneurons.attribution.attribute import attribute_all
from factneurons.attribution.controls import matched_random, strengths, uniform_random
from factneurons.errors import BadModel, BadSetting
from factneurons.facts.types import Prompt
from factneurons.models.experts import JoinedExperts, join_experts
from factneurons.models.model import Model
from factneurons.models.types import Neuron, Query

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
    "qwen2_moe": (  # shared experts behind a gate of their own
        tf.Qwen2MoeForCausalLM, tf.Qwen2MoeConfig,
        {"num_experts": EXPERTS, "moe_intermediate_size": SIZE, "shared_expert_intermediate_size": 12},
    ),
    "deepseek_v3": (  # a dense layer first, shared experts, a router of groups
        tf.DeepseekV3ForCausalLM, tf.DeepseekV3Config,
        {"n_routed_experts": EXPERTS, "moe_intermediate_size": SIZE, "intermediate_size": 56, "n_shared_experts": 1,
         "first_k_dense_replace": 1, "n_group": 2, "topk_group": 1, "kv_lora_rank": 8, "q_lora_rank": 8,
         "qk_rope_head_dim": 4, "qk_nope_head_dim": 4, "v_head_dim": 4, "num_key_value_heads": 2},
    ),
    "gpt_oss": (  # biases, gate and up-projection interleaved and cut off
        tf.GptOssForCausalLM, tf.GptOssConfig,
        {"num_local_experts": EXPERTS, "intermediate_size": SIZE, "head_dim": 8, "layer_types": ["full_attention"] * 2},
    ),
    "llama4_text": (  # the router scales what experts read; dense layers between
        tf.Llama4ForCausalLM, tf.Llama4TextConfig,
        {"num_local_experts": EXPERTS, "intermediate_size": SIZE, "intermediate_size_mlp": 20, "head_dim": 8,
         "interleave_moe_layer_step": 2, "attn_temperature_tuning": False},
    ),
    "granitemoeshared": (  # shared experts one module above, both halves in one matrix
        tf.GraniteMoeSharedForCausalLM, tf.GraniteMoeSharedConfig,
        {"num_local_experts": EXPERTS, "intermediate_size": SIZE, "shared_intermediate_size": 12},
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


def both(kind, dtype=torch.float32):
    """A model as transformers has it, and the same one with its experts side by side."""
    module = original(kind, dtype)
    for part in module.modules():
        if isinstance(getattr(part, "config", None), tf.PretrainedConfig):
            part.config._experts_implementation = "eager"  # the others know no float64
    return module, Model(copy.deepcopy(module), None, name=kind, kind="causal")


@pytest.fixture(params=list(KINDS)[:3])
def pair(request):
    return both(request.param)


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


def assert_same_state(one, other):
    found, true = one.state_dict(), other.state_dict()
    assert {name: tuple(tensor.shape) for name, tensor in found.items()} == {
        name: tuple(tensor.shape) for name, tensor in true.items()
    }
    for name, tensor in true.items():
        assert torch.equal(found[name], tensor), name


def test_saved_as_it_was_loaded(pair, tmp_path, new_query):
    module, model = pair
    assert_same_state(model.backbone.module, module)
    model.backbone.module.save_pretrained(tmp_path)
    again = type(module).from_pretrained(tmp_path)
    query = new_query("causal")
    torch.testing.assert_close(logits(again, query), logits(module, query), rtol=1e-5, atol=1e-5)


def only_token(token=7, answer=9):
    """A prompt of one token: there a matrix is read once, so slopes of weights and of values are one thing."""
    return Query(Prompt("one token ___."), "one", (token,), (0,), (answer,), replaceable=(0,), words=((0,),))


def columns(module):
    """Per layer the down-projections of a model of transformers, with how many neurons each has, in order."""
    found = []
    for block in module.model.layers:
        own = []
        for path, parameter in block.named_parameters():
            if path.endswith("experts.down_proj"):
                own += [(parameter, (expert,)) for expert in range(EXPERTS)]
            elif path.endswith(("down_proj.weight", "output_linear.weight")):
                own.append((parameter, ()))
        found.append(sorted(own, key=lambda each: not each[1]))
    return found


def of_neurons(parameter, place, transposed):
    """[hidden, neurons] of one expert."""
    matrix = parameter[place]
    return matrix.T if place and transposed else matrix


@pytest.mark.parametrize("kind", KINDS)
def test_every_form_against_transformers_own(kind, new_query, tmp_path):
    module, model = both(kind, torch.float64)
    transposed = kind in ("gpt_oss", "llama4_text")
    for seed in range(3):
        query = new_query("causal", seed=seed)
        found = logits(model.backbone.module, query)
        torch.testing.assert_close(found, logits(module, query), rtol=1e-10, atol=1e-10)
    query, by_layer = only_token(), columns(module)
    scores = attribute_all(model, [query], method="gradient_x_activation")[0].scores
    for layer, parts in enumerate(by_layer):
        parameters = [parameter.requires_grad_(True) for parameter, _ in parts]
        with torch.enable_grad():
            p = module(input_ids=torch.tensor([query.input_ids])).logits[0, 0].softmax(-1)[query.answer_ids[0]]
            slopes = torch.autograd.grad(p, parameters, allow_unused=True, materialize_grads=True)
        products = [
            (of_neurons(parameter, place, transposed) * of_neurons(slope, place, transposed)).sum(0)
            for (parameter, place), slope in zip(parts, slopes, strict=True)
        ]
        expected = torch.cat(products).detach().numpy()
        assert len(expected) == model.backbone.widths[layer]
        np.testing.assert_allclose(scores[layer, : len(expected)], expected, rtol=1e-4, atol=1e-9)
        assert not scores[layer, len(expected) :].any()
        assert np.abs(expected).max() > 0
    assert_same_state(model.backbone.module, module)
    model.backbone.module.save_pretrained(tmp_path)
    again = type(module).from_pretrained(tmp_path, dtype=torch.float64, experts_implementation="eager")
    torch.testing.assert_close(logits(again, query), logits(module, query), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("kind", list(KINDS)[3:])
def test_any_neuron_suppressed_is_its_column_set_to_zero(kind, new_query):
    module, model = both(kind, torch.float64)
    transposed, query = kind in ("gpt_oss", "llama4_text"), new_query("causal")
    for layer, parts in enumerate(columns(module)):
        sizes = [of_neurons(parameter, place, transposed).shape[1] for parameter, place in parts]
        assert sum(sizes) == model.backbone.widths[layer]
        for number in (0, len(parts) - 1):
            parameter, place = parts[number]
            neuron, kept = Neuron(layer, sum(sizes[:number]) + 3), parameter.detach().clone()
            with torch.no_grad():
                of_neurons(parameter, place, transposed)[:, 3] = 0.0
            without = logits(module, query)
            for change in (
                model.suppress([neuron], positions="all"),
                model.scale_weights([neuron], 0.0, parts="out"),
            ):
                with change:
                    found = logits(model.backbone.module, query)
                torch.testing.assert_close(found, without, rtol=1e-9, atol=1e-9)
            with torch.no_grad():
                parameter.copy_(kept)


def test_layers_of_different_widths_are_asked_and_their_neurons_told_apart(new_query):
    _, model = both("deepseek_v3")
    assert model.backbone.widths == (56, EXPERTS * SIZE + SIZE)
    assert (model.width, model.backbone.neuron_count) == (56, 56 + 40)
    assert (model.backbone.experts, model.backbone.expert_size, model.backbone.shared_size) == (EXPERTS, SIZE, SIZE)
    with pytest.raises(BadSetting, match=r"no neuron \(1, 40\): layers are 0 to 1, indices 0 to 39"):
        model.out_weights([(1, 40)])
    with pytest.raises(BadSetting, match=r"no neuron \(1, 40\)"):
        model.probabilities_with([new_query("causal")], [[(1, 40)]])
    strength = strengths(model, [new_query("causal")])
    assert np.isfinite(strength).sum(1).tolist() == [56, 40]
    drawn = uniform_random(strength, [Neuron(0, 0)] * 3, draws=300, seed=0, name="x")
    model.out_weights([neuron for own in drawn for neuron in own])  # all of them are there
    found = matched_random(strength, [Neuron(1, 39), Neuron(1, 38)], draws=50, seed=0, name="x")
    silent = {index for index in range(40) if strength[1, index] == 0}
    assert len(silent) == (EXPERTS - CHOSEN) * SIZE
    assert not {neuron.index for own in found for neuron in own} & silent


def test_a_router_weighs_anew_above_a_change_and_not_where_it_is(new_query):
    """Suppressing a whole expert leaves the weights of the others in its layer, and moves those of the next layer."""
    _, model = both("qwen3_moe")  # shares of the chosen experts are normalised to a sum of 1
    query = new_query("causal")
    seen = []
    hooks = [
        block.mlp.experts.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[1:]))
        for block in model.backbone.module.model.layers
    ]
    logits(model.backbone.module, query)
    expert = int(seen[0][0][query.target_positions[0], 0])
    with model.suppress([Neuron(0, expert * SIZE + index) for index in range(SIZE)]):
        logits(model.backbone.module, query)
    for hook in hooks:
        hook.remove()
    (first, second), (first_again, second_again) = seen[:2], seen[2:]
    assert torch.equal(first[0], first_again[0])
    assert torch.equal(first[1], first_again[1])  # not shared out anew: what was the expert's is gone
    place = query.target_positions[0]
    assert not torch.equal(second[1][place], second_again[1][place])
    torch.testing.assert_close(second_again[1].sum(-1), torch.ones(len(second_again[1])), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(second_again[1][:place], second[1][:place])


def test_relevance_says_that_it_has_no_rule(pair, new_query):
    with pytest.raises(BadModel, match="relevance has no rule for the router"):
        attribute_all(pair[1], [new_query("causal")], method="relp")


class Doubling(nn.Module):
    """Experts that do more than is known."""

    def __init__(self, experts):
        super().__init__()
        self.gate_up_proj, self.down_proj, self.act_fn = experts.gate_up_proj, experts.down_proj, experts.act_fn
        self._apart = (experts,)

    def forward(self, hidden_states, top_k_index, top_k_weights):
        return 2 * self._apart[0](hidden_states, top_k_index, top_k_weights)


def test_experts_that_do_something_else_are_refused():
    module = original("mixtral")
    module.model.layers[1].mlp.experts = Doubling(module.model.layers[1].mlp.experts)
    with pytest.raises(BadModel, match=r"its experts \(MixtralSparseMoeBlock\) put side by side do not give what they"):
        Model(module, None, name="a model", kind="causal")


def test_another_mlp_beside_the_experts_is_refused():
    module = original("mixtral")
    kept = module.model.layers[0].mlp

    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.experts, self.gate = kept.experts, kept.gate
            self.reader, self.act, self.writer = nn.Linear(16, 8), nn.SiLU(), nn.Linear(8, 16)

        def forward(self, hidden_states):
            return kept(hidden_states) + self.writer(self.act(self.reader(hidden_states)))

    module.model.layers[0].mlp = Two()
    module.config.model_type = "own"
    with pytest.raises(BadModel, match=r"a layer of this own model has another MLP \(mlp.writer\) beside its experts"):
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
