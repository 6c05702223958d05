"""Models that do something to their blocks or logits that is not known here are found out."""

import warnings
from types import SimpleNamespace

import pytest
import torch
import transformers as tf

from factneurons.errors import BadModel
from factneurons.models.model import Model
from factneurons.models.passes import fast_path, selfcheck
from factneurons.models.passes.capture import capture
from factneurons.models.passes.fast_path import fast_path_fits, values_and_gradients


def half_points(captured):
    return [0.5 * value for value in captured.activations]


def compare_with_slow(model, slow, query):
    captured = capture(model.backbone, [query], [(0, (0,))])
    points = half_points(captured)
    values, slopes = values_and_gradients(model.backbone, captured, points, "probability")
    for layer in range(model.layer_count):
        value, slope = slow.value_and_gradient(query, 0, layer, points[layer][0, 0])
        assert abs(float(values[layer][0, 0]) - value) < 1e-10 * value
        assert (slopes[layer][0, 0] - slope).abs().max() < 1e-10 * slope.abs().max()


def stretch_block_outputs(model):
    """Blocks that multiply what they return: what is added to the stream is no longer the MLP's output."""
    for layer in model.backbone.layers:
        original = layer.block.forward

        def forward(*inputs, original=original, **options):
            result = original(*inputs, **options)
            return tuple(1.5 * part for part in result) if isinstance(result, tuple) else 1.5 * result

        layer.block.forward = forward


@pytest.mark.parametrize("family", ["llama", "gpt2", "bert"])
def test_blocks_that_change_the_sum_are_found_out(family, new_model, new_query, slow_reference):
    model = new_model(family)
    stretch_block_outputs(model)
    query = new_query(model.kind)
    with pytest.warns(UserWarning, match=r"does not fit \(its values differ in layer \d\)"):
        compare_with_slow(model, slow_reference(model, family), query)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compare_with_slow(model, slow_reference(model, family), query)


@pytest.mark.parametrize("family", ["llama", "bert"])
def test_the_check_is_made_once(family, new_model, new_query, monkeypatch):
    model = new_model(family)
    calls = []
    real = fast_path.misfit
    monkeypatch.setattr(fast_path, "misfit", lambda *a: calls.append(a) or real(*a))
    for seed in range(3):
        captured = capture(model.backbone, [new_query(model.kind, seed=seed)], [(0, (0,))])
        assert fast_path_fits(model.backbone, captured)
    assert len(calls) == 1


SMALL = {"vocab_size": 48, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
OTHERS = {
    "falcon": (
        "causal", lambda: tf.FalconForCausalLM(tf.FalconConfig(**SMALL)), "TypeError",
        lambda module: [block.mlp.dense_4h_to_h for block in module.transformer.h],
    ),
    "gpt_bigcode": (
        "causal", lambda: tf.GPTBigCodeForCausalLM(tf.GPTBigCodeConfig(vocab_size=48, n_embd=16, n_layer=2, n_head=2)),
        "RuntimeError", lambda module: [block.mlp.c_proj for block in module.transformer.h],
    ),
    "deberta-v2": (
        "cloze", lambda: tf.DebertaV2ForMaskedLM(tf.DebertaV2Config(intermediate_size=24, **SMALL)), "AttributeError",
        lambda module: [layer.output.dense for layer in module.deberta.encoder.layer],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_blocks_that_fail_on_rows_are_served_by_the_plain_loop(name, new_query, slow_reference, hooks_of):
    """Architectures without a row of data: found by structure, and their own errors are no user's error."""
    kind, build, error, downs = OTHERS[name]
    torch.manual_seed(0)
    module = build().double()
    model = Model(module, None, name=name, kind=kind)
    assert model.backbone.adapter.family == "found by structure"
    with pytest.warns(UserWarning, match=rf"^{name}: .* \(its blocks do not run on rows alone: {error}\)"):
        compare_with_slow(model, slow_reference(model, downs(module)), new_query(kind))
    assert hooks_of(module) == {}


def test_running_out_of_memory_is_no_verdict_on_the_blocks(new_model, new_query, monkeypatch):
    model = new_model("llama")

    def full(*inputs):
        raise torch.OutOfMemoryError("CUDA out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(selfcheck, "row_gradients", full)
        with pytest.raises(torch.OutOfMemoryError):
            fast_path_fits(model.backbone, capture(model.backbone, [new_query("causal")], [(0, (0,))]))
    assert fast_path_fits(model.backbone, capture(model.backbone, [new_query("causal")], [(0, (0,))]))


def odd_logits(model, change):
    """A model that does something to its logits after the output embeddings."""
    original = model.backbone.module.forward

    def forward(**options):
        result = original(**options)
        return SimpleNamespace(logits=change(result.logits))

    model.backbone.module.forward = forward


@pytest.mark.parametrize("family", ["gpt2", "bert", "t5"])
def test_logits_that_do_not_follow_from_the_head_are_refused_each_time(family, new_model, new_query):
    model = new_model(family)
    odd_logits(model, lambda logits: 2 * logits)
    for _ in range(2):
        with pytest.raises(BadModel, match="scales or caps its logits in a way that is not supported"):
            model.log_probabilities([new_query(model.kind)])


def test_a_constant_added_to_all_logits_changes_no_probability(new_model, new_query, slow_reference):
    model = new_model("gpt2")
    odd_logits(model, lambda logits: logits + 3)
    query = new_query("causal", answer=2)
    true = slow_reference(model, "gpt2").log_probability(query)
    assert model.log_probabilities([query])[0] == pytest.approx(true, abs=1e-12)


@pytest.mark.parametrize("family", ["gpt2", "bert", "t5"])
def test_first_question_may_be_asked_inside_an_intervention(family, new_model, new_query, slow_reference):
    """The check of the head must not take the intervention for a strange head."""
    model = new_model(family)
    query = new_query(model.kind)
    factors = {(0, 1): 0.0, (model.layer_count - 1, 2): 0.0, (model.layer_count - 1, 3): 0.0}
    with model.suppress(factors):
        found = model.log_probabilities([query])[0]
    assert found == pytest.approx(slow_reference(model, family, factors).log_probability(query), abs=1e-11)
    assert found != pytest.approx(model.log_probabilities([query])[0], abs=1e-6)


@pytest.mark.parametrize("family", ["gpt2", "bert"])
def test_nan_weights_are_not_taken_for_a_strange_head(family, new_model, new_query):
    """The numbers are bad, not the model's shape; who asks for scores is told so."""
    model = new_model(family)
    with torch.no_grad():
        model.backbone.layers[1].down.weight[0, 0] = float("nan")
    found = model.log_probabilities([new_query(model.kind)])
    assert torch.isnan(torch.tensor(found)).all()
