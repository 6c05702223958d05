"""Models whose weights bitsandbytes or torchao has quantised, on a CPU, against whole passes with hooks."""

import logging

import numpy as np
import pytest
import torch
import transformers as tf

from factneurons.attribution.attribute import attribute_all
from factneurons.errors import BadModel
from factneurons.models.gate import check_model
from factneurons.models.load import load_model
from factneurons.models.model import Model
from factneurons.models.quantised import keep_gradients


def _bitsandbytes(**options):
    pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed")
    pytest.importorskip("accelerate", reason="accelerate is not installed, which bitsandbytes needs")
    return tf.BitsAndBytesConfig(**options)


def _torchao():
    pytest.importorskip("torchao", reason="torchao is not installed")
    from torchao.quantization import Int8WeightOnlyConfig

    return tf.TorchAoConfig(Int8WeightOnlyConfig())


FORMATS = {
    "bitsandbytes 4 bit": lambda: _bitsandbytes(load_in_4bit=True),
    "bitsandbytes 8 bit": lambda: _bitsandbytes(load_in_8bit=True),
    "torchao int8": _torchao,
}
STEPS = {"bitsandbytes 8 bit": 0.02}
"""What rounded activations make of numbers that agree otherwise, as a share of the largest."""


@pytest.fixture(params=FORMATS)
def quantised(request, tiny_tokenizer, tmp_path):
    """A format's name, a model with weights of it, and the folder of the model as it was. Wide: formats have blocks."""
    config = FORMATS[request.param]()
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    folder, tokenizer = tmp_path / "llama", tiny_tokenizer("llama")
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}
    torch.manual_seed(0)
    original = tf.LlamaForCausalLM(tf.LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=64, **sizes))
    with torch.no_grad():
        for parameter in original.model.layers.parameters():
            parameter.mul_(5 if parameter.dim() > 1 else 1)
    original.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    module = tf.AutoModelForCausalLM.from_pretrained(folder, quantization_config=config, dtype=torch.float32)
    return request.param, Model(module, tokenizer, name=request.param, kind="causal"), folder


@pytest.mark.filterwarnings("ignore")
def test_it_is_asked_and_attributed(quantised, slow_reference):
    name, model, _ = quantised
    check_model(model.backbone)
    assert model.backbone.dtype == torch.float32
    query, neurons = model.query("The capital of France is", "Paris"), [(0, 1), (1, 2), (1, 3)]
    downs = [layer.down for layer in model.backbone.layers]
    slow = slow_reference(model, downs)
    near = STEPS.get(name, 1e-4)
    assert model.log_probabilities([query])[0] == pytest.approx(slow.log_probability(query), rel=near)
    without = slow_reference(model, downs, dict.fromkeys(neurons, 0.0)).log_probability(query)
    assert model.probabilities_with([query], [neurons])[0, 0] == pytest.approx(np.exp(without), rel=near)
    for method, reference in (("joint", slow.joint), ("dai", slow.dai)):
        found = attribute_all(model, [query], method=method, rule="gauss_legendre", points=3)[0].scores
        true = reference(query, "gauss_legendre", 3)
        np.testing.assert_allclose(found, true, rtol=0, atol=near * np.abs(true).max())


def test_its_weights_are_read_and_never_written(quantised):
    name, model, folder = quantised
    neurons = [(0, 1), (1, 2)]
    original = load_model(folder)
    for part in ("out_weights", "in_weights"):
        true, found = getattr(original, part)(neurons), getattr(model, part)(neurons)
        assert not np.array_equal(found, true)
        step = 0.2 if "4 bit" in name else 0.01
        np.testing.assert_allclose(found, true, rtol=0, atol=step * np.abs(true).max())
    with (
        pytest.raises(BadModel, match=r"are quantised \(.*\), so they cannot be changed"),
        model.scale_weights(neurons, 0.0),
    ):
        pass


def test_layers_laid_out_for_a_product_without_gradients_are_refused():
    """As bitsandbytes does at the first pass on some processors, and what it makes of them backwards is wrong."""
    pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed")
    from bitsandbytes import nn as layers

    layer = layers.Linear4bit(128, 64, bias=False)
    layer.load_state_dict({"weight": torch.randn(64, 128)})
    layer = layer.to("cpu").eval()
    keep_gradients(layer)
    assert not layer.support_avx512bf16_for_cpu
    x = torch.randn(2, 128)
    with torch.no_grad():
        layer(x)
    assert not getattr(layer.weight.quant_state, "packing_format_for_cpu", False)
    assert layer(x.requires_grad_(True)).requires_grad
    layer.weight.quant_state.packing_format_for_cpu = True
    with pytest.raises(BadModel, match="was run before, and bitsandbytes"):
        keep_gradients(layer)


@pytest.mark.filterwarnings("ignore")
def test_it_is_loaded_from_its_folder(quantised, tmp_path):
    _, model, _ = quantised
    model.backbone.module.save_pretrained(tmp_path / "quantised")
    model.backbone.tokenizer.save_pretrained(tmp_path / "quantised")
    loaded = load_model(tmp_path / "quantised")
    query = model.query("The capital of France is", "Paris")
    assert loaded.log_probabilities([query])[0] == pytest.approx(model.log_probabilities([query])[0], rel=1e-3)
