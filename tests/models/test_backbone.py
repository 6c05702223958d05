"""The network: which layers are an encoder's, what is frozen, and how far a pass goes."""

import warnings

import numpy as np
import pytest
import torch
import transformers as tf
from torch import nn
from transformers.cache_utils import DynamicCache

from factneurons.errors import BadModel
from factneurons.models.backbone import cache_option
from factneurons.models.batches import Batch
from factneurons.models.hooks import before
from factneurons.models.model import Model


def test_encoder_layers_come_first(shared_model):
    model = shared_model("t5 (gated)")  # two encoder layers, one decoder layer
    assert [model.backbone.in_encoder(layer) for layer in range(3)] == [True, True, False]
    assert [shared_model("bert").backbone.in_encoder(layer) for layer in range(3)] == [True] * 3
    assert [shared_model("gpt2").backbone.in_encoder(layer) for layer in range(3)] == [False] * 3


def test_parameters_are_frozen_and_dropout_is_off(new_model):
    model = new_model("gpt2")
    assert not model.backbone.module.training
    assert not any(parameter.requires_grad for parameter in model.backbone.module.parameters())


def test_norm_gain_is_that_of_what_the_mlp_reads(every_family, shared_model, asked, seen_in):
    """Norm output = normalised input times gain plus bias, and it is the up-projection's input."""
    model = shared_model(every_family, exact_norms=False)
    if model.backbone.adapter.experts:
        pytest.skip("a part of its up-projection reads at a time")
    for number, seen in enumerate(seen_in(model, asked(every_family))):
        norm, gain = model.backbone.layers[number].mlp_norm, model.backbone.norm_gain(number)
        assert gain.shape == (model.backbone.hidden_size,)
        if model.backbone.adapter.mlp_norm is None:
            assert np.array_equal(gain, np.ones(model.backbone.hidden_size))
            continue
        read, given = seen["mlp_norm"]
        assert torch.equal(given.flatten(), seen["up"][0].flatten())
        centred = read - read.mean(-1, keepdim=True) if isinstance(norm, nn.LayerNorm) else read
        bias = norm.bias.detach() if isinstance(norm, nn.LayerNorm) else 0.0
        scale = (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
        np.testing.assert_allclose((centred / scale).numpy() * gain + np.asarray(bias), given, rtol=1e-3, atol=1e-4)


class Broken(Exception):
    pass


def test_changes_are_counted_while_they_are_open(new_model, hooks_of):
    """Also when one cannot be registered: nothing is left then, and nothing counted."""
    backbone = new_model("gpt2").backbone
    hook = before(backbone.layers[0].down, lambda module, inputs: None)
    with backbone.changed([hook]), backbone.changed([hook]):
        assert len(backbone.own.interventions) == 2
    assert not backbone.own.interventions

    def broken():
        raise Broken

    with pytest.raises(Broken), backbone.changed([hook, broken]):
        pytest.fail("not reached")
    assert not backbone.own.interventions
    assert hooks_of(backbone.module) == {}


def test_the_head_reads_what_a_pass_returns(every_family, shared_model, new_query, inputs_of):
    """to_head stops where the logits would begin: the projection of what it returns is the model's own logits."""
    model = shared_model(every_family)
    query = new_query(model.kind, answer=2)
    batch = Batch.of([query], model.backbone.device)
    with torch.no_grad():
        hidden = model.backbone.to_head(batch)
        logits = model.backbone.module(**inputs_of(query)).logits
    places = torch.tensor([query.target_positions])
    targets = torch.tensor(query.answer_ids)
    found = model.backbone.head.log_probabilities(hidden[0, places[0]], targets)
    true = logits[0, places[0]].double().log_softmax(-1).gather(1, targets[:, None])[:, 0]
    torch.testing.assert_close(found, true, rtol=0, atol=1e-5)


class TestRefused:
    @pytest.mark.parametrize(
        "module",
        [
            nn.Linear(3, 3),
            tf.BertModel(tf.BertConfig(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=1)),
            tf.GPT2Model(tf.GPT2Config(vocab_size=20, n_embd=8, n_layer=1, n_head=1)),
            tf.BertForSequenceClassification(
                tf.BertConfig(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=1)
            ),
        ],
        ids=lambda module: type(module).__name__,
    )
    def test_no_language_model(self, module):
        with pytest.raises(BadModel, match=r"^m is no language model: it has no output embeddings to predict"):
            Model(module, None, name="m", kind="causal")

    def test_a_forward_pass_that_does_not_use_the_head(self, new_model, new_query, monkeypatch):
        model = new_model("gpt2")
        query = new_query("causal")
        assert model.backbone.head is not None
        monkeypatch.setattr(model.backbone, "projection", nn.Linear(16, 48).double())
        with pytest.raises(BadModel, match="the forward pass does not use its output embeddings"):
            model.log_probabilities([query])


def test_weights_made_without_gradients_are_refused(new_model):
    with torch.inference_mode(), pytest.raises(BadModel, match="tiny gpt2: its weights were made"):
        new_model("gpt2")


def test_layers_may_have_different_widths(new_model, new_query):
    module = new_model("home-made", torch.float32).backbone.module
    last = module.tower[-1]
    last.reader, last.doorkeeper, last.writer = nn.Linear(16, 20), nn.Linear(16, 20, bias=False), nn.Linear(20, 16)
    model = Model(module, None, name="a model", kind="causal")
    assert (model.backbone.widths[-1], model.width, model.backbone.neuron_count) == (20, 24, sum(model.backbone.widths))
    query = new_query("causal", answer=2)
    values = model.activations([query])
    assert values.shape == (1, model.layer_count, 24)
    assert not values[0, -1, 20:].any()
    assert values[0, -1, :20].any()
    neurons = [(model.layer_count - 1, 19), (0, 23)]
    with model.suppress(neurons):
        one_way = model.probabilities([query])
    np.testing.assert_allclose(model.probabilities_with([query], [neurons])[:, 0], one_way, rtol=1e-5)


@pytest.mark.parametrize(
    ("forward", "name"),
    [
        (lambda input_ids, cache=None: None, "cache"),
        (lambda input_ids, past_key_values=None: None, "past_key_values"),
        (lambda input_ids, cache=None, past_key_values=None: None, "past_key_values"),  # then `cache` is something else
        (lambda input_ids, **options: None, "past_key_values"),
    ],
)
def test_a_cache_goes_by_the_name_that_a_model_takes(forward, name):
    module = nn.Module()
    module.forward = forward
    assert cache_option(module) == name


def test_a_pass_with_a_cache_warns_of_nothing(shared_model, asked):
    backbone = shared_model("llama").backbone
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        backbone.to_head(Batch.of([asked("llama")], backbone.device), cache=DynamicCache())
