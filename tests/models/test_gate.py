"""What is tried when a model is loaded: what keeps to it passes, what does not is refused or asked otherwise."""

import re

import pytest
import torch
import transformers as tf
from torch import nn

from factneurons.errors import BadModel, BadSetting, NotAskable
from factneurons.models.doctor import diagnose
from factneurons.models.gate import LooksAhead, check_model
from factneurons.models.hooks import after, hooked
from factneurons.models.load import load_model
from factneurons.models.model import Model

SIZES = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 32,
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_families_pass_and_keep_no_hooks(every_family, dtype, new_model, hooks_of):
    model = new_model(every_family, dtype)
    check_model(model.backbone)
    assert hooks_of(model.backbone.module) == {}
    with torch.inference_mode():
        check_model(model.backbone)


@pytest.mark.parametrize("size", [1.0, 1e-4])
def test_a_causal_model_that_looks_both_ways_is_found_whatever_the_size_of_its_weights(size, shared_model):
    torch.manual_seed(0)
    module = tf.BertLMHeadModel(tf.BertConfig(vocab_size=48, is_decoder=False, **SIZES))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(size if parameter.dim() > 1 else 1.0)
    model = Model(module, shared_model("bert").backbone.tokenizer, name="both ways", kind="causal")
    with pytest.raises(LooksAhead, match=r"^both ways is no causal model: later tokens change its earlier outputs"):
        check_model(model.backbone)
    check_model(Model(module, model.backbone.tokenizer, name="both ways", kind="cloze").backbone)


def test_xlm_and_bert_as_decoder_are_asked_as_masked_models_by_both(tmp_path, tiny_tokenizer):
    tokenizer = tiny_tokenizer("wordpiece")
    torch.manual_seed(0)
    modules = [
        tf.XLMWithLMHeadModel(
            tf.XLMConfig(vocab_size=len(tokenizer), emb_dim=16, n_layers=2, n_heads=2, max_position_embeddings=32)
        ),
        tf.BertLMHeadModel(tf.BertConfig(vocab_size=len(tokenizer), **SIZES)),
    ]
    for number, module in enumerate(modules):
        folder = tmp_path / str(number)
        module.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        assert (load_model(folder).kind, diagnose(folder).kind) == ("cloze", "cloze")


def test_what_looks_both_ways_and_has_no_masked_head_is_refused_by_both(tmp_path, tiny_tokenizer):
    tokenizer = tiny_tokenizer("wordpiece")
    config = tf.XLNetConfig(vocab_size=len(tokenizer), d_model=16, n_layer=2, n_head=2, d_inner=24)
    tf.XLNetLMHeadModel(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    for ask in (load_model, diagnose):
        with pytest.raises(BadModel, match=f"^{re.escape(str(tmp_path))} is no causal model[^\n]*$"):
            ask(tmp_path)


class _Lora(nn.Module):
    """A projection with a low-rank branch beside it."""

    def __init__(self, base_layer):
        super().__init__()
        self.base_layer = base_layer
        self.a, self.b = (nn.Parameter(torch.randn(*size)) for size in ((2, 24), (16, 2)))

    def forward(self, x):
        return self.base_layer(x) + x @ self.a.T @ self.b.T


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_a_branch_beside_the_down_projection_is_refused(family, new_model):
    model = new_model(family, torch.float32)
    module = model.backbone.module
    block = model.backbone.layers[1].block
    name = "down_proj" if family == "llama" else "c_proj"
    setattr(block.mlp, name, _Lora(getattr(block.mlp, name)))
    for other in {layer.block for layer in model.backbone.layers} - {block}:
        wrapped = _Lora(getattr(other.mlp, name))
        nn.init.zeros_(wrapped.b)
        setattr(other.mlp, name, wrapped)
    found = Model(module, model.backbone.tokenizer, name="adapted", kind="causal")
    assert found.backbone.adapter.down == f"mlp.{name}.base_layer"
    with pytest.raises(
        BadModel, match=r"^adapted: something of the MLP in layer 1 passes by .* merge it into the weights"
    ):
        check_model(found.backbone)


def test_neighbours_that_change_a_prompt_are_refused(new_model):
    model = new_model("llama", torch.float32)
    mixed = after(model.backbone.layers[0].block, lambda module, inputs, output: output - output.mean(0, keepdim=True))
    with hooked([mixed]), pytest.raises(BadModel, match="what stands beside a prompt in a batch"):
        check_model(model.backbone)


def test_an_mlp_that_runs_twice_in_a_pass_is_refused(new_model):
    model = new_model("llama", torch.float32)
    mlp = model.backbone.layers[1].block.mlp
    once = mlp.forward
    mlp.forward = lambda hidden: (once(hidden), once(hidden))[1]
    with pytest.raises(BadModel, match="the MLP of layer 1 runs 2 times in a pass"):
        check_model(model.backbone)


@pytest.mark.parametrize(
    ("output", "told"),
    [
        (lambda value: value.detach(), "no gradient leads from its outputs to its neurons"),
        (lambda value: value * float("nan"), "its outputs for a few tokens are NaN or infinite"),
        (lambda value: value + (value - value.detach()).sqrt().nan_to_num() * 0, "gradients .* are NaN or infinite"),
    ],
)
def test_what_cannot_be_attributed_is_refused(output, told, new_model):
    model = new_model("llama", torch.float32)
    changed = after(model.backbone.layers[-1].block, lambda module, inputs, value: output(value))
    with hooked([changed]), pytest.raises(BadModel, match=f"^tiny llama: {told}"):
        check_model(model.backbone)


def test_values_written_over_after_their_use_are_refused(new_model):
    model = new_model("llama", torch.float32)

    def writes_over(module, inputs, value):
        kept = value * 1
        product = kept * kept
        kept.zero_()
        return product

    with (
        hooked([after(model.backbone.layers[-1].block, writes_over)]),
        pytest.raises(BadModel, match=r"RuntimeError: one of the variables needed for gradient .* inplace operation"),
    ):
        check_model(model.backbone)


def test_an_encoder_decoder_without_an_encoder_of_text_is_refused(new_model):
    backbone = new_model("llama", torch.float32).backbone
    backbone.kind = "encoder-decoder"
    with pytest.raises(BadModel, match="has no encoder of text"):
        check_model(backbone)


def test_a_model_that_fails_in_itself_is_told(new_model):
    model = new_model("llama", torch.float32)

    def fails(module, inputs, output):
        raise ZeroDivisionError("no reason")

    with hooked([after(model.backbone.layers[0].block, fails)]), pytest.raises(BadModel) as caught:
        check_model(model.backbone)
    assert str(caught.value).endswith("fails in the model itself: ZeroDivisionError: no reason")


def test_tokens_without_embedding_are_refused_where_they_are_asked(tiny_model_folder, tmp_path):
    folder = tiny_model_folder("gpt2", tmp_path)
    model = load_model(folder)
    model.backbone.tokenizer.add_tokens(["Zorblax"])
    model.query("Paris is in ___", "France")
    for prompt, answer in (("Paris is in ___", "Zorblax"), ("Zorblax is in ___", "France")):
        with pytest.raises(NotAskable, match="no embedding for the token 'Zorblax'") as caught:
            model.query(prompt, answer)
        assert caught.value.reason == "token-without-embedding"


def test_what_is_no_text_is_refused_by_its_name(shared_model):
    model = shared_model("gpt2")
    for prompt, answer, name in ((["a ___"], "b", "prompt"), ("a ___", ["b"], "answer"), ("a ___", 4, "answer")):
        with pytest.raises(BadSetting, match=f"^{name}"):
            model.query(prompt, answer)
    for ask in (load_model, diagnose):
        with pytest.raises(BadSetting, match="given by its name or folder, not as a GPT2LMHeadModel; for a module"):
            ask(model.backbone.module)
