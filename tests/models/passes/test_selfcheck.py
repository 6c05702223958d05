"""Models that do something to their blocks or logits that is not known here are found out."""

import warnings

import pytest
import torch
import transformers as tf

from factneurons.models.model import Model
from factneurons.models.passes import selfcheck
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
