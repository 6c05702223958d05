"""What single neurons write, read by the head: one neuron at a time, with the norms written down."""

import numpy as np
import pytest
import torch

from factneurons.attribution.attribute import attribute_all
from factneurons.attribution.settings import AttributionSettings
from factneurons.errors import BadModel

# family -> (the module of a block that reads what the MLP's output is added to, from the stream to the head's input)
FINAL = {
    "gpt2": ("ln_2", lambda module, x: module.transformer.ln_f(x)),
    "llama": ("post_attention_layernorm", lambda module, x: module.model.norm(x)),
    "gemma2": ("pre_feedforward_layernorm", lambda module, x: module.model.norm(x)),
    "olmo2": ("mlp", lambda module, x: module.model.norm(x)),
    "bert": ("intermediate", lambda module, x: module.cls.predictions.transform(x)),
    "t5 (gated)": ("layer.-1.layer_norm", lambda module, x: module.decoder.final_layer_norm(x)),
}


def streams(model, path, query):
    """What the MLP of every layer adds to, [tokens, hidden]."""
    seen, handles = [], []
    for layer in model.backbone.layers:
        module = layer.block
        for name in path.split("."):
            module = module[int(name)] if name.lstrip("-").isdigit() else getattr(module, name)
        keep = module.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0][0].detach()))
        handles.append(keep)
    options = {"input_ids": torch.tensor([query.input_ids])}
    if query.decoder_input_ids:
        options["decoder_input_ids"] = torch.tensor([query.decoder_input_ids])
    try:
        model.backbone.module(**options)
    finally:
        for handle in handles:
            handle.remove()
    return seen


def writes(layer, activation):
    """What each neuron adds to the stream, [width, hidden]: columns, with the scale of the output's norm held."""
    weight = layer.down.weight if type(layer.down).__name__ == "Conv1D" else layer.down.weight.T
    each = activation[:, None] * weight
    if layer.after_mlp is None:
        return each
    whole, norm = layer.down(activation), layer.after_mlp
    return each * (whole.square().mean() + norm.eps).rsqrt() * (norm.offset + norm.weight)


@pytest.mark.parametrize("family", FINAL)
def test_log_probability_increase(family, shared_model, new_query, slow_reference, exact_scores, relative_error):
    model = shared_model(family)
    query, slow = new_query(model.kind, answer=2), slow_reference(model, family)
    path, final = FINAL[family]
    seen, module = streams(model, path, query), model.backbone.module
    norm = [layer.after_residual or (lambda x: x) for layer in model.backbone.layers]
    true = np.zeros((model.layer_count, model.width))
    for token, (place, answer) in enumerate(zip(query.target_positions, query.answer_ids, strict=True)):
        for number, layer in enumerate(model.backbone.layers):
            if family.startswith("t5") and number < 2:
                continue

            def log_p(stream, number=number, answer=answer):
                z = module.get_output_embeddings()(final(module, norm[number](stream)))
                cap = getattr(module.config, "final_logit_softcapping", None)
                return float((z if cap is None else cap * torch.tanh(z / cap)).log_softmax(-1)[answer])

            stream = seen[number][place]
            each = writes(layer, slow.activation(query, number, token))
            true[number] += [(log_p(stream + one) - log_p(stream)) / 2 for one in each]
    found = exact_scores(model, query, method="log_probability_increase", target="probability")
    assert relative_error(found, true) < 1e-6
    assert np.abs(true).max() > 0.01


@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma2", "olmo2", "t5 (gated)"])
def test_direct_logit(family, shared_model, new_query, slow_reference, exact_scores, relative_error):
    model = shared_model(family)
    query, slow = new_query(model.kind), slow_reference(model, family)
    place, answer = query.target_positions[0], query.answer_ids[0]
    last, module = [], model.backbone.module
    handle = model.backbone.layers[-1].block.register_forward_hook(
        lambda module, inputs, output: last.append((output[0] if isinstance(output, tuple) else output)[0, place])
    )
    logits = slow.logits(query)
    handle.remove()
    final = FINAL[family][1]
    true = np.zeros((model.layer_count, model.width))
    for number, layer in enumerate(model.backbone.layers):
        if family.startswith("t5") and number < 2:
            continue
        each = writes(layer, slow.activation(query, number, 0))
        x = last[0]
        if family == "gpt2":
            norm = module.transformer.ln_f
            read = (each - each.mean(-1, keepdim=True)) / (x.var(unbiased=False) + norm.eps).sqrt() * norm.weight
        else:
            read = each * (final(module, x) / x)
        slope = 1.0
        if model.backbone.head.cap is not None:
            slope = 1 - (logits[place, answer] / model.backbone.head.cap) ** 2
        true[number] = slope * (read @ module.get_output_embeddings().weight[answer])
    found = exact_scores(model, query, method="direct_logit", target="logit")
    assert relative_error(found, true) < 1e-6


def test_the_last_layers_shares_add_up(new_model, new_query, exact_scores):
    """One norm above: what the last layer's neurons wrote is what the logit loses when the scale stays as it is."""
    model = new_model("llama")
    query = new_query("causal")
    found = exact_scores(model, query, method="direct_logit", target="logit")
    x = []
    layer = model.backbone.layers[-1]
    handle = layer.block.register_forward_hook(lambda module, inputs, output: x.append(output[0, -1]))
    down = layer.down.register_forward_hook(lambda module, inputs, output: x.append(output[0, -1]))
    model.backbone.module(torch.tensor([query.input_ids]))
    handle.remove(), down.remove()
    own, stream = x
    norm = model.backbone.module.model.norm
    read = own * (stream.square().mean() + norm.eps).rsqrt() * norm.weight
    assert found[-1].sum() == pytest.approx(float(read @ model.backbone.module.lm_head.weight[query.answer_ids[0]]))


def test_where_no_neuron_has_a_share_of_the_logit(shared_model, new_query, new_model):
    with pytest.raises(BadModel, match=r"^tiny bert: direct_logit splits .*; use log_probability_increase$"):
        attribute_all(shared_model("bert"), [new_query("cloze")], AttributionSettings("direct_logit"))
    model = new_model("gpt2")
    base = model.backbone.module.transformer
    base.ln_f = torch.nn.Sequential(base.ln_f, torch.nn.Tanh())
    with pytest.raises(BadModel, match=r"^tiny gpt2: direct_logit needs a head that is a norm and a matrix"):
        attribute_all(model, [new_query("causal")], AttributionSettings("direct_logit"))


@pytest.mark.parametrize("method", ["log_probability_increase", "direct_logit"])
def test_the_target_is_the_methods_own(method, shared_model, new_query):
    model, query = shared_model("gpt2"), new_query("causal")
    settings = [AttributionSettings(method, target=target) for target in ("probability", "logit")]
    one, other = (attribute_all(model, [query], each)[0].scores for each in settings)
    assert np.array_equal(one, other)


@pytest.mark.parametrize("method", ["log_probability_increase", "direct_logit"])
def test_batches_change_nothing(method, shared_model, new_query):
    model = shared_model("llama")
    queries = [new_query("causal", tokens=4 + seed, seed=seed, answer=1 + seed % 2) for seed in range(3)]
    settings = AttributionSettings(method)
    for query, each in zip(queries, attribute_all(model, queries, settings), strict=True):
        alone = attribute_all(model, [query], settings)[0].scores
        np.testing.assert_allclose(each.scores, alone, rtol=0, atol=1e-6 * np.abs(alone).max())
