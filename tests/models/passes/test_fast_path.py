"""The fast path where it fits, the plain loop elsewhere, and that it is said once."""

import warnings

import pytest
import torch
import transformers as tf

from factneurons.models.model import Model
from factneurons.models.passes import fast_path
from factneurons.models.passes.capture import capture
from factneurons.models.passes.fast_path import fast_path_fits, values_and_gradients
from factneurons.models.passes.generation import continuations

ITEMS = [(0, (0,)), (0, (1,)), (1, (0,)), (1, (1,))]


@pytest.fixture
def modern_bert():
    """An encoder with layers that see ten tokens to either side, and layers that see everything."""
    torch.manual_seed(0)
    config = tf.ModernBertConfig(
        vocab_size=48, hidden_size=16, intermediate_size=24, num_hidden_layers=3, num_attention_heads=2,
        global_attn_every_n_layers=2, local_attention=20, pad_token_id=0, bos_token_id=1,
        eos_token_id=1, cls_token_id=1, sep_token_id=1, initializer_range=0.3,
    )  # fmt: skip
    return Model(tf.ModernBertForMaskedLM(config), None, name="modern bert", kind="cloze")


def plain(model, captured, points, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(model.backbone.fast_path, "fits", False)
        return values_and_gradients(model.backbone, captured, points, "probability")


def test_prompts_longer_than_an_encoders_window_take_the_plain_loop_alone(
    modern_bert, new_query, monkeypatch, random_points
):
    short, long, longer = (
        capture(modern_bert.backbone, [new_query("cloze", tokens=tokens)], ITEMS[:1]) for tokens in (1, 12, 13)
    )
    points = {id(captured): random_points(captured) for captured in (short, long, longer)}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values_and_gradients(modern_bert.backbone, short, points[id(short)], "probability")
    with pytest.warns(
        UserWarning, match=r"longer than half the sliding window .* plain loop for some prompts"
    ) as caught:
        found = [
            values_and_gradients(modern_bert.backbone, each, points[id(each)], "probability") for each in (long, longer)
        ]
    assert len(caught) == 1  # said once
    assert fast_path_fits(modern_bert.backbone, short)  # and the short ones go on as before
    for captured, result in zip((long, longer), found, strict=True):
        torch.testing.assert_close(result, plain(modern_bert, captured, points[id(captured)], monkeypatch))
    with monkeypatch.context() as patch:
        patch.setattr(fast_path, "plain_gradients", None)
        values_and_gradients(modern_bert.backbone, short, points[id(short)], "probability")


REASONS = {
    "gpt_neo": "attention that does not go through the registry",
    "gptj": "attention that does not go through the registry",
    "bloom": "a model without position ids",
    "home-made": "a model without position ids",
}


@pytest.mark.parametrize("family", REASONS)
def test_blocks_that_do_not_fit_fall_back_and_say_why(
    family, new_model, new_query, slow_reference, compare, queries_of, random_points
):
    model = new_model(family)
    queries = queries_of(new_query, "causal")
    captured = capture(model.backbone, queries, ITEMS)
    points = random_points(captured)
    with pytest.warns(
        UserWarning, match=f"^tiny {family}: the fast path does not fit \\({REASONS[family]}\\)"
    ) as caught:
        found = values_and_gradients(model.backbone, captured, points, "probability")
    assert len([warning for warning in caught if "fast path" in str(warning.message)]) == 1
    compare(slow_reference(model, family), captured, queries, points, found, "probability", 1e-5)


def test_an_encoder_decoder_takes_the_plain_loop_and_says_so_once(
    new_model, new_query, slow_reference, compare, queries_of, random_points
):
    model = new_model("t5")
    queries = queries_of(new_query, model.kind)
    captured = capture(model.backbone, queries, ITEMS)
    points = random_points(captured)
    with pytest.warns(UserWarning, match=r"^tiny t5: .* \(it is an encoder-decoder\); using the plain loop") as caught:
        found = values_and_gradients(model.backbone, captured, points, "probability")
    assert len(caught) == 1
    compare(slow_reference(model, "t5"), captured, queries, points, found, "probability", 1e-10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values_and_gradients(model.backbone, captured, points, "probability")
        model.probabilities_with(queries[:1], [[(0, 1)]])


def _list_blocks():
    """Blocks that give back lists."""
    sizes = {"vocab_size": 48, "n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 32}
    return tf.OpenAIGPTLMHeadModel(tf.OpenAIGPTConfig(**sizes)), lambda module: [
        b.mlp.c_proj for b in module.transformer.h
    ]


def _hybrid():
    """Layers that keep a state which is no keys and values."""
    sizes = {"vocab_size": 48, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 3, "head_dim": 8}
    attention = {
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "layer_types": ["linear_attention"] * 2 + ["full_attention"],
    }
    linear = {
        "linear_num_value_heads": 2,
        "linear_num_key_heads": 2,
        "linear_key_head_dim": 4,
        "linear_value_head_dim": 4,
    }
    config = tf.Qwen3_5TextConfig(**sizes, **attention, **linear)
    return tf.AutoModelForCausalLM.from_config(config), lambda module: [b.mlp.down_proj for b in module.model.layers]


@pytest.mark.parametrize("made", [_list_blocks, _hybrid])
def test_blocks_of_other_returns_and_states(
    made, shared_model, new_query, slow_reference, compare, queries_of, random_points
):
    torch.manual_seed(0)
    module, downs = made()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(0.3 * torch.randn_like(parameter) if parameter.dim() > 1 else parameter)
    tokenizer = shared_model("gpt2").backbone.tokenizer
    model = Model(module.double(), tokenizer, name="another", kind="causal")
    queries = queries_of(new_query, "causal")
    captured = capture(model.backbone, queries, ITEMS)
    points = random_points(captured)
    with pytest.warns(UserWarning, match="a past that is not the keys and values of all layers|position ids"):
        found = values_and_gradients(model.backbone, captured, points, "probability")
    compare(slow_reference(model, downs(module)), captured, queries, points, found, "probability", 1e-5)
    prompts = [queries[0].input_ids[:4], queries[1].input_ids[:3]]
    texts = continuations(model.backbone, prompts, [{}, {}], tokens=3)
    assert texts == [continuations(model.backbone, [prompt], [{}], tokens=3)[0] for prompt in prompts]


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
