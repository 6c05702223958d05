"""Methods of one backward pass beside whole models written down plainly, with what is held detached by hand."""

import numpy as np
import pytest
import torch
from torch.nn.functional import gelu, silu

from factneurons.attribution.attribute import attribute_all
from factneurons.attribution.settings import AttributionSettings
from factneurons.errors import BadModel


def part(x, share):
    return x.detach() + share * (x - x.detach())


def attended(query, key, value, causal, attnlrp):
    """[tokens, heads, size] each."""
    if attnlrp:
        query, key, value = part(query, 0.5), part(key, 0.5), part(value, 0.5)
    scores = torch.einsum("qhs,khs->hqk", query, key) / query.shape[-1] ** 0.5
    if causal:
        scores = scores + torch.full(scores.shape[1:], float("-inf"), dtype=scores.dtype).triu(1)
    pattern = scores.softmax(-1)
    pattern = part(pattern, 0.5) if attnlrp else pattern.detach()
    return torch.einsum("hqk,khs->qhs", pattern, value).flatten(1)


def layer_norm(x, norm):
    centred = x - x.mean(-1, keepdim=True)
    scale = (centred.square().mean(-1, keepdim=True) + norm.eps).rsqrt().detach()
    return centred * scale * norm.weight + norm.bias


def rms_norm(x, norm):
    return x * (x.square().mean(-1, keepdim=True) + norm.eps).rsqrt().detach() * norm.weight


def bent(x, function):
    return x * (function(x) / x).detach()


def gpt2(module, ids, attnlrp):
    base = module.transformer
    x = (base.wte.weight[ids] + base.wpe.weight[: len(ids)]).requires_grad_(True)
    neurons = []
    for block in base.h:
        parts = block.attn.c_attn(layer_norm(x, block.ln_1)).view(len(ids), 3, 2, -1)
        x = x + block.attn.c_proj(attended(*parts.unbind(1), True, attnlrp))
        neurons.append(bent(block.mlp.c_fc(layer_norm(x, block.ln_2)), lambda z: gelu(z, approximate="tanh")))
        x = x + block.mlp.c_proj(neurons[-1])
    return layer_norm(x, base.ln_f) @ module.lm_head.weight.T, neurons


def turned(x, cos, sin):
    first, second = x.chunk(2, -1)
    return x * cos[:, None] + torch.cat([-second, first], -1) * sin[:, None]


def llama(module, ids, attnlrp):
    base = module.model
    x = base.embed_tokens.weight[ids].requires_grad_(True)
    cos, sin = (each[0] for each in base.rotary_emb(x, torch.arange(len(ids))[None]))
    neurons = []
    for block in base.layers:
        y, own = rms_norm(x, block.input_layernorm), block.self_attn
        query = turned(own.q_proj(y).view(len(ids), 2, -1), cos, sin)
        key = turned(own.k_proj(y).view(len(ids), 1, -1), cos, sin).expand(-1, 2, -1)
        value = own.v_proj(y).view(len(ids), 1, -1).expand(-1, 2, -1)
        x = x + own.o_proj(attended(query, key, value, True, attnlrp))
        y = rms_norm(x, block.post_attention_layernorm)
        neurons.append(part(bent(block.mlp.gate_proj(y), silu), 0.5) * part(block.mlp.up_proj(y), 0.5))
        x = x + block.mlp.down_proj(neurons[-1])
    return rms_norm(x, base.norm) @ module.lm_head.weight.T, neurons


def bert(module, ids, attnlrp):
    embedded = module.bert.embeddings
    x = embedded.word_embeddings.weight[ids] + embedded.position_embeddings.weight[: len(ids)]
    x = layer_norm(x + embedded.token_type_embeddings.weight[0], embedded.LayerNorm).requires_grad_(True)
    neurons = []
    for layer in module.bert.encoder.layer:
        own = layer.attention.self
        parts = (each(x).view(len(ids), 2, -1) for each in (own.query, own.key, own.value))
        mixed = layer.attention.output.dense(attended(*parts, False, attnlrp))
        x = layer_norm(x + mixed, layer.attention.output.LayerNorm)
        neurons.append(bent(layer.intermediate.dense(x), gelu))
        x = layer_norm(x + layer.output.dense(neurons[-1]), layer.output.LayerNorm)
    head = module.cls.predictions
    y = layer_norm(bent(head.transform.dense(x), gelu), head.transform.LayerNorm)
    return y @ head.decoder.weight.T + head.decoder.bias, neurons


@pytest.mark.parametrize("target", ["probability", "logit"])
@pytest.mark.parametrize("method", ["relp", "attnlrp"])
@pytest.mark.parametrize("written", [gpt2, llama, bert], ids=lambda each: each.__name__)
def test_relevance(written, method, target, shared_model, new_query, exact_scores, relative_error):
    model = shared_model(written.__name__)
    query = new_query(model.kind, answer=2)
    true = np.zeros((2, model.layer_count, model.width))
    for number, (place, token) in enumerate(zip(query.target_positions, query.answer_ids, strict=True)):
        logits, neurons = written(model.backbone.module, torch.tensor(query.input_ids), method == "attnlrp")
        function = (logits.softmax(-1) if target == "probability" else logits)[place, token]
        slopes = torch.autograd.grad(function, neurons)
        true[number] = [(value * slope)[place].detach() for value, slope in zip(neurons, slopes, strict=True)]
    found = exact_scores(model, query, method=method, target=target)
    assert relative_error(found, true.mean(0)) < 1e-5 if written is bert else 1e-9


def test_the_two_differ_by_attention_alone(shared_model, new_query, exact_scores):
    """So they agree in the last layer, above which there is none."""
    model = shared_model("llama")
    found, other = (exact_scores(model, new_query("causal"), method=each) for each in ("relp", "attnlrp"))
    np.testing.assert_allclose(found[-1], other[-1], rtol=1e-12)
    assert np.abs(found[0] - other[0]).max() > 0.01 * np.abs(found[0]).max()


@pytest.mark.parametrize("family", ["gpt2", "llama", "gptj", "gemma2", "t5 (gated)"])
def test_atp_star(family, shared_model, new_query, slow_reference, exact_scores, relative_error, tolerance):
    """What the dropped layer adds is put back as a number, in a pass of its own for every layer."""
    model = shared_model(family)
    query, count = new_query(model.kind, answer=2), model.layer_count
    blocks = [layer.block for layer in model.backbone.layers]
    entered, left = {}, {}

    def put(number):
        def hook(module, inputs, options, output):
            rest = output[1:] if isinstance(output, tuple) else None
            hidden = output[0] if rest is not None else output
            into = inputs[0] if inputs else options["hidden_states"]
            if number not in left:
                entered[number], left[number] = into.detach(), hidden.detach()
                return None
            held = into + (left[number] - entered[number])
            return held if rest is None else (held, *rest)

        return hook

    true = np.zeros((count, model.width))
    for dropped in range(count):
        slow = slow_reference(model, family)
        handle = blocks[dropped].register_forward_hook(put(dropped), with_kwargs=True)
        try:
            slow.logits(query)
            for layer in range(count):
                for token in range(2):
                    value = slow.activation(query, layer, token)
                    reached = layer != dropped and not (dropped == count - 1 and family.startswith("t5"))
                    if reached:  # one layer of a decoder: all of the encoder goes through it
                        slope = slow.value_and_gradient(query, token, layer, value)[1]
                        true[layer] += (value * slope).abs().double().numpy() / 2 / (count - 1)
        finally:
            handle.remove()
    found = exact_scores(model, query, method="atp_star")
    assert relative_error(found, true) < max(1e-9, tolerance(family))


def test_atp_star_needs_a_stream_that_layers_add_to(shared_model, new_query):
    with pytest.raises(BadModel, match=r"^tiny bert: atp_star drops what a layer adds .*; use another method$"):
        attribute_all(shared_model("bert"), [new_query("cloze")], AttributionSettings("atp_star"))


def test_atp_star_of_one_layer_drops_none(new_model, new_query, exact_scores):
    model = new_model("llama", num_hidden_layers=1)
    plain, found = (exact_scores(model, new_query("causal"), method=m) for m in ("gradient_x_activation", "atp_star"))
    np.testing.assert_allclose(found, np.abs(plain), rtol=1e-9)


@pytest.mark.parametrize("method", ["relp", "attnlrp", "atp_star"])
def test_inside_an_intervention(method, shared_model, new_query, exact_scores, slow_reference):
    """Suppressed neurons have no score, and those of layers above are what a model without them has."""
    model = shared_model("llama")
    query = new_query("causal", answer=2)
    gone = {(0, 1): 0.0, (1, 2): 0.0}
    before = exact_scores(model, query, method=method)
    with model.suppress(gone):
        found = exact_scores(model, query, method=method)
    assert all(found[neuron] == 0 for neuron in gone)
    assert np.abs(found[2] - before[2]).max() > 1e-3 * np.abs(before[2]).max()


@pytest.mark.parametrize("method", ["relp", "attnlrp", "atp_star"])
def test_batches_change_nothing(method, shared_model, new_query):
    model = shared_model("llama")
    queries = [new_query("causal", tokens=4 + seed, seed=seed, answer=1 + seed % 2) for seed in range(4)]
    settings = AttributionSettings(method)
    for query, each in zip(queries, attribute_all(model, queries, settings), strict=True):
        alone = attribute_all(model, [query], settings)[0].scores
        np.testing.assert_allclose(each.scores, alone, rtol=0, atol=1e-6 * np.abs(alone).max())
