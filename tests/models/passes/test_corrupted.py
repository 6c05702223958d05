"""Prompts without a word, and the neurons' values in them."""

import pytest
import torch

from factneurons.errors import BadModel
from factneurons.models.passes import corrupted as corrupted_module
from factneurons.models.passes.corrupted import corrupted, replacement_token, target_activations


class Tokens:
    def __init__(self, **ids):
        self.__dict__.update(ids)


@pytest.fixture
def with_tokens(shared_model, monkeypatch):
    def make(family, **ids):
        model = shared_model(family)
        monkeypatch.setattr(model.backbone, "tokenizer", Tokens(**ids))
        return model

    return make


ALL = {"mask_token_id": 3, "eos_token_id": 1, "bos_token_id": 2, "pad_token_id": 0}


@pytest.mark.parametrize(
    ("family", "missing", "expected"),
    [
        ("bert", (), (3, "mask_token")),
        ("bert", ("mask_token_id",), (1, "eos_token")),
        ("gpt2", (), (1, "eos_token")),  # a causal model's mask token, if there is one, was never trained
        ("gpt2", ("eos_token_id",), (2, "bos_token")),
        ("gpt2", ("eos_token_id", "bos_token_id"), (0, "pad_token")),
        ("t5", (), (1, "eos_token")),
    ],
)
def test_replacement_token(family, missing, expected, with_tokens):
    ids = {name: None if name in missing else number for name, number in ALL.items()}
    assert replacement_token(with_tokens(family, **ids).backbone) == expected
    assert (
        replacement_token(with_tokens(family, **{n: v for n, v in ALL.items() if n not in missing}).backbone)
        == expected
    )


def test_no_replacement_token(with_tokens):
    with pytest.raises(BadModel, match="its tokenizer has none of eos_token, bos_token, pad_token to put"):
        replacement_token(with_tokens("gpt2", mask_token_id=3, eos_token_id=None).backbone)


def test_only_the_given_positions_change(new_query):
    query = new_query("causal", tokens=5, answer=2)
    other = corrupted(query, (1, 3), 44)
    assert other.input_ids == (query.input_ids[0], 44, query.input_ids[2], 44, *query.input_ids[4:])
    assert (other.target_positions, other.answer_ids) == (query.target_positions, query.answer_ids)
    assert corrupted(query, (), 44) == query
    assert query.input_ids[1] != 44


@pytest.mark.parametrize("tokens_per_pass", [1, 2048])
def test_values_at_the_target_positions(
    every_family, tokens_per_pass, shared_model, new_query, slow_reference, monkeypatch, hooks_of, family_row
):
    monkeypatch.setattr(corrupted_module, "_TOKENS", tokens_per_pass)
    model = shared_model(every_family)
    slow = slow_reference(model, every_family)
    query = new_query(model.kind, answer=2)
    sentences = [corrupted(query, (place,), 44) for place in query.replaceable[:3]]
    found = target_activations(model.backbone, sentences)
    assert len(found) == model.layer_count
    for layer, values in enumerate(found):
        places = slow.places(query, layer)
        assert values.shape == (3, len(places), model.width)
        for row, sentence in enumerate(sentences):
            for token in range(len(places)):
                true = slow.activation(sentence, layer, token)
                allowed = 1e-10 if family_row[every_family].exact else 1e-5
                torch.testing.assert_close(values[row, token], true, rtol=allowed, atol=allowed)
    assert hooks_of(model.backbone.module) == {}


def test_an_error_below_leaves_no_hooks(shared_model, new_query, hooks_of, monkeypatch):
    model = shared_model("gpt2")

    def throw(*inputs, **options):
        raise ValueError("below")

    monkeypatch.setattr(model.backbone.layers[1].block.attn, "forward", throw)
    with pytest.raises(BadModel, match="fails: ValueError: below"):
        target_activations(model.backbone, [new_query("causal")])
    assert hooks_of(model.backbone.module) == {}


def test_a_layer_that_is_not_visited_is_told(shared_model, new_query, monkeypatch, hooks_of):
    model = shared_model("gpt2")
    monkeypatch.setattr(model.backbone.layers[2].block.mlp, "forward", lambda value: value)
    with pytest.raises(BadModel, match="does not visit every layer once"):
        target_activations(model.backbone, [new_query("causal")])
    assert hooks_of(model.backbone.module) == {}
