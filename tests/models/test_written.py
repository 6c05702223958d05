"""What neurons write, against the norms and heads written out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from factneurons.errors import BadModel, BadSetting
from factneurons.models.load import load_model
from factneurons.models.model import Model
from factneurons.models.types import Neuron
from factneurons.models.written import _at_mask, place_of, reaches_head, token_text, written, written_logits


@pytest.fixture(scope="module")
def gpt2():
    return load_model("pocket-gpt2")


@pytest.fixture(scope="module")
def bert():
    return load_model("pocket-bert")


def test_a_causal_models_tokens_are_those_of_the_final_norm_and_the_unembedding(gpt2):
    """GPT-2: a layer norm and the embedding matrix; what a layer norm adds does not depend on the neuron."""
    module, neurons = gpt2.backbone.module, [(3, 17), (0, 5)]
    norm, unembedding = module.transformer.ln_f, module.transformer.wte.weight.double()
    for (neuron, logits), weights in zip(written_logits(gpt2, neurons), gpt2.out_weights(neurons), strict=True):
        row = torch.tensor(weights)
        centred = row - row.mean()
        true = unembedding @ (norm.weight.double() * centred)
        assert neuron in neurons
        assert np.corrcoef(true.numpy(), logits.double().numpy())[0, 1] == pytest.approx(1, abs=1e-6)


def test_an_rms_norms_gain_is_all_that_stays_of_it():
    model = load_model("pocket-llama")
    neuron = Neuron(1, 40)
    ((_, logits),) = written_logits(model, [neuron])
    (weights,) = model.out_weights([neuron])
    module = model.backbone.module
    true = module.lm_head.weight.double() @ (module.model.norm.weight.double() * torch.tensor(weights))
    assert np.corrcoef(true.numpy(), logits.double().numpy())[0, 1] == pytest.approx(1, abs=1e-6)


def test_the_highest_are_promoted_and_the_lowest_suppressed(gpt2):
    (found,) = written(gpt2, [(2, 7)], tokens=3)
    ((_, logits),) = written_logits(gpt2, [(2, 7)])
    order = logits.argsort(descending=True).tolist()
    assert found.promotes == tuple(token_text(gpt2.backbone, token) for token in order[:3])
    assert found.suppresses == tuple(token_text(gpt2.backbone, token) for token in order[::-1][:3])
    assert [place_of(logits, token) for token in order[:3]] == [1, 2, 3]


def test_a_neuron_whose_weights_are_turned_round_writes_the_opposite(gpt2, bert):
    for model in (gpt2, bert):
        ((_, before),) = written_logits(model, [(3, 11)])
        with model.scale_weights([(3, 11)], -1.0, parts="out"):
            ((_, after),) = written_logits(model, [(3, 11)])
        correlation = np.corrcoef(before.numpy(), after.numpy())[0, 1]
        assert correlation == pytest.approx(-1, abs=1e-2)


def test_a_masked_model_is_read_through_its_own_head(bert):
    """The last layer's neuron, put through the block's norm and the head by hand, at the same place."""
    module, neuron = bert.backbone.module, Neuron(3, 172)
    ((_, logits),) = written_logits(bert, [neuron])
    at = _at_mask(bert)
    norm, transform = bert.backbone.layers[3].after_residual, module.cls.predictions.transform
    (weights,) = torch.tensor(bert.out_weights([neuron]), dtype=torch.float32)
    row = norm.weight * (weights - weights.mean())
    with torch.no_grad():
        step = 1e-2 * at.norm() / row.norm() * row
        slope = transform(at + step) - transform(at - step)
    true = module.cls.predictions.decoder.weight @ slope
    assert np.corrcoef(true.numpy(), logits.numpy())[0, 1] > 0.99


def test_from_an_encoder_that_feeds_a_decoder_no_path_leads_to_the_head(shared_model):
    model = shared_model("t5")
    assert [reaches_head(model.backbone, layer) for layer in range(4)] == [False, False, True, True]


@pytest.mark.parametrize("neuron", [(4, 0), (0, 512), (-1, 3)])
def test_a_neuron_outside_the_model_is_refused_with_its_sizes(gpt2, neuron):
    with pytest.raises(BadSetting, match="layers are 0 to 3, indices 0 to 511"):
        written(gpt2, [neuron])


def test_every_neuron_has_its_own_also_where_it_is_asked_twice(gpt2):
    first, second, again = written(gpt2, [(0, 1), (1, 1), (0, 1)])
    assert first == again != second
    assert written(gpt2, []) == []


def test_a_masked_model_without_a_mask_is_refused(shared_model, monkeypatch):
    model: Model = shared_model("bert")
    monkeypatch.setattr(type(model.backbone.tokenizer), "mask_token", None, raising=False)
    monkeypatch.setattr(type(model.backbone.tokenizer), "__len__", lambda self: 8, raising=False)
    with pytest.raises(BadModel, match="no mask token"):
        list(written_logits(model, [(0, 0)]))


def test_a_token_that_is_no_whole_character_is_spelled(gpt2):
    tokenizer = gpt2.backbone.tokenizer
    texts = {token: token_text(gpt2.backbone, token) for token in range(300)}
    assert all(text.strip() for text in texts.values())
    assert not any("\N{REPLACEMENT CHARACTER}" in text for text in texts.values())
    paris = tokenizer.encode(" Paris", add_special_tokens=False)
    assert token_text(gpt2.backbone, paris[0]).strip() == "Paris"
