"""Asking a model: probabilities of answers, ranks, activations, in any batch and any order; nothing left behind."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import transformers as tf
from torch import nn

from factneurons.errors import BadModel, BadSetting
from factneurons.facts.types import Prompt
from factneurons.models import probabilities as asking
from factneurons.models.model import Model
from factneurons.models.passes.capture import capture
from factneurons.models.passes.fast_path import fast_path_fits
from factneurons.models.types import Neuron


@pytest.fixture
def many(new_query):
    """Queries of different lengths and numbers of answer tokens."""
    shapes = [(6, 1), (3, 2), (6, 3), (1, 1), (6, 1), (9, 2), (3, 2)]
    return lambda kind: [
        new_query(kind, tokens=tokens + (kind != "causal"), answer=answer, seed=seed)
        for seed, (tokens, answer) in enumerate(shapes)
    ]


def close_enough(family_row, family):
    return 1e-11 if family_row[family].exact else 1e-5


def test_log_probabilities(every_family, shared_model, many, slow_reference, family_row):
    model = shared_model(every_family)
    slow = slow_reference(model, every_family)
    queries = many(model.kind)
    found = model.log_probabilities(queries)
    assert found.dtype == np.float64
    true = [slow.log_probability(query) for query in queries]
    np.testing.assert_allclose(found, true, rtol=0, atol=close_enough(family_row, every_family))
    np.testing.assert_array_equal(model.probabilities(queries), np.exp(found))


def test_log_probabilities_in_float32(every_family, shared_model, many, slow_reference):
    model = shared_model(every_family, torch.float32)
    slow = slow_reference(model, every_family)
    queries = many(model.kind)
    found = model.log_probabilities(queries)
    np.testing.assert_allclose(found, [slow.log_probability(query) for query in queries], rtol=0, atol=1e-4)


@pytest.mark.parametrize("tokens", [1, 20, 60])
def test_batches_and_order_change_nothing(one_of_each, tokens, shared_model, many, monkeypatch, family_row):
    model, queries = shared_model(one_of_each), many(shared_model(one_of_each).kind)
    whole, evaluated = model.log_probabilities(queries), model.evaluate(queries)
    monkeypatch.setattr(asking, "_TOKENS", tokens)
    order = np.random.default_rng(tokens).permutation(len(queries))
    shuffled = [queries[number] for number in order]
    allowed = 1e-12 if family_row[one_of_each].exact else 1e-5
    np.testing.assert_allclose(model.log_probabilities(shuffled), whole[order], rtol=0, atol=allowed)
    for number, found in zip(order, model.evaluate(shuffled), strict=True):
        assert (found.rank, found.prediction) == (evaluated[number].rank, evaluated[number].prediction)
        assert found.log_probability == pytest.approx(evaluated[number].log_probability, abs=allowed)


def test_nothing_asked(shared_model):
    model = shared_model("gpt2")
    assert model.log_probabilities([]).shape == (0,)
    assert model.evaluate([]) == []
    assert model.activations([]).shape == (0, 3, 24)
    assert model.out_weights([]).shape == (0, 16)
    assert model.in_weights([]).shape == (0, 1, 16)
    assert shared_model("llama").in_weights([]).shape == (0, 2, 16)


def test_evaluate(one_of_each, shared_model, many, slow_reference, family_row):
    model = shared_model(one_of_each)
    slow = slow_reference(model, one_of_each)
    queries = many(model.kind)
    for query, found in zip(queries, model.evaluate(queries), strict=True):
        table = slow.logits(query)[list(query.target_positions)].double()
        gold = torch.tensor(query.answer_ids)[:, None]
        tokens = table.log_softmax(-1).gather(1, gold)[:, 0]
        allowed = close_enough(family_row, one_of_each)
        assert found.token_log_probabilities == pytest.approx(tokens.tolist(), abs=allowed)
        assert found.log_probability == pytest.approx(sum(found.token_log_probabilities), abs=1e-12)
        assert found.rank == max(1 + (table > table.gather(1, gold)).sum(-1).tolist()[i] for i in range(len(gold)))
        assert found.prediction == " ".join(str(token) for token in table.argmax(-1).tolist())


def test_rank_1_is_the_models_own_prediction(shared_model, new_query, slow_reference):
    model = shared_model("gpt2")
    query = new_query("causal")
    top = int(slow_reference(model, "gpt2").logits(query)[-1].argmax())
    (found,) = model.evaluate([replace(query, answer_ids=(top,))])
    assert (found.rank, found.prediction) == (1, str(top))


def test_activations_are_the_mean_over_target_positions(every_family, shared_model, many, slow_reference):
    model = shared_model(every_family)
    slow = slow_reference(model, every_family)
    queries = many(model.kind)[:3]
    found = model.activations(queries)
    assert (found.shape, found.dtype) == ((3, model.layer_count, model.width), np.float32)
    for row, query in enumerate(queries):
        for layer in range(model.layer_count):
            places = range(len(slow.places(query, layer)))
            true = torch.stack([slow.activation(query, layer, token) for token in places]).mean(0)
            np.testing.assert_allclose(found[row, layer], true, rtol=1e-4, atol=1e-5)


def test_encoder_layers_come_first(shared_model):
    model = shared_model("t5 (gated)")  # two encoder layers, one decoder layer
    assert [model.backbone.in_encoder(layer) for layer in range(3)] == [True, True, False]
    assert [shared_model("bert").backbone.in_encoder(layer) for layer in range(3)] == [True] * 3
    assert [shared_model("gpt2").backbone.in_encoder(layer) for layer in range(3)] == [False] * 3


def test_weights_come_in_the_order_asked_for(shared_model):
    model = shared_model("llama")
    neurons = [Neuron(2, 5), Neuron(0, 1), Neuron(2, 3)]
    together = model.out_weights(neurons), model.in_weights(neurons)
    for place, neuron in enumerate(neurons):
        assert np.array_equal(together[0][place], model.out_weights([neuron])[0])
        assert np.array_equal(together[1][place], model.in_weights([neuron])[0])
    mlp = model.backbone.layers[2].block.mlp
    assert np.array_equal(together[0][0], mlp.down_proj.weight[:, 5].numpy())
    assert np.array_equal(together[1][0, 0], mlp.gate_proj.weight[5].numpy())
    assert np.array_equal(together[1][0, 1], mlp.up_proj.weight[5].numpy())


def test_weights_with_repeated_neurons(shared_model):
    model = shared_model("gpt2")
    found = model.out_weights([(0, 1), (1, 2), (0, 1)])
    assert len(found) == 3
    assert np.array_equal(found[0], found[2])


def test_a_probability_from_text(tiny_tokenizer):
    """The whole way from a text: one query, teacher forcing, the product over the answer's tokens."""
    tokenizer = tiny_tokenizer("gpt2")
    torch.manual_seed(0)
    config = tf.GPT2Config(vocab_size=len(tokenizer), n_embd=16, n_layer=2, n_head=2, n_positions=64)
    model = Model(tf.GPT2LMHeadModel(config), tokenizer, name="m", kind="causal")
    query = model.query("The capital of Brazil is", "Brasília")
    assert len(query.answer_ids) > 1
    found = model.probability(Prompt("The capital of Brazil is ___."), " Brasília")
    with torch.no_grad():
        table = model.backbone.module(input_ids=torch.tensor([query.input_ids])).logits[0].softmax(-1)
    true = np.prod([float(table[p, t]) for p, t in zip(query.target_positions, query.answer_ids, strict=True)])
    assert found == pytest.approx(true, rel=1e-4)


def test_repr_names_what_it_is(shared_model):
    assert repr(shared_model("gemma")) == "Model('tiny gemma', kind='causal', family='gemma', layers=3, width=24)"


def test_parameters_are_frozen_and_dropout_is_off(new_model):
    model = new_model("gpt2")
    assert not model.backbone.module.training
    assert not any(parameter.requires_grad for parameter in model.backbone.module.parameters())


CALLS = {
    "log_probabilities": lambda model, query: model.log_probabilities([query]),
    "evaluate": lambda model, query: model.evaluate([query]),
    "activations": lambda model, query: model.activations([query]),
    "probabilities_with": lambda model, query: model.probabilities_with([query], [[(0, 1), (1, 1)], [(1, 2)]])[0],
    "probabilities_with, all": lambda model, query: model.probabilities_with([query], [[(0, 1)]], positions="all")[0],
    "capture": lambda model, query: capture(model.backbone, [query], [(0, (0,))]),
    "fast_path_fits": lambda model, query: fast_path_fits(model.backbone, CALLS["capture"](model, query)),
    "head": lambda model, query: model.backbone.head,
}


@pytest.mark.filterwarnings("ignore:tiny gptj. the fast path does not fit")
@pytest.mark.parametrize("call", CALLS)
def test_nothing_is_left_behind(one_of_each, call, new_model, new_query, hooks_of):
    """No hook, the same attention, the same logits bit for bit, and no gradient anywhere."""
    model = new_model(one_of_each)
    query = new_query(model.kind, answer=2)
    inputs = {"input_ids": torch.tensor([query.input_ids])}
    if query.decoder_input_ids:
        inputs["decoder_input_ids"] = torch.tensor([query.decoder_input_ids])
    with torch.no_grad():
        before = model.backbone.module(**inputs).logits
    attention = model.backbone.module.config._attn_implementation
    CALLS[call](model, query)
    assert hooks_of(model.backbone.module) == {}
    assert model.backbone.module.config._attn_implementation == attention
    with torch.no_grad():
        assert torch.equal(model.backbone.module(**inputs).logits, before)
    assert all(parameter.grad is None for parameter in model.backbone.module.parameters())


@pytest.mark.filterwarnings("ignore:tiny gptj. the fast path does not fit")
@pytest.mark.parametrize("call", [name for name in CALLS if name != "head"])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_nothing_is_left_behind_by_an_exception(one_of_each, call, error, new_model, new_query, hooks_of, monkeypatch):
    model = new_model(one_of_each)
    query = new_query(model.kind, answer=2)
    attention = model.backbone.module.config._attn_implementation

    def throw(*inputs, **options):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(model.backbone.layers[-1].up, "forward", throw)
        with pytest.raises(error):
            CALLS[call](model, query)
    assert hooks_of(model.backbone.module) == {}
    assert model.backbone.module.config._attn_implementation == attention
    assert np.isfinite(model.log_probabilities([query])).all()


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

    def test_neurons_that_are_not_there(self, shared_model):
        with pytest.raises(BadSetting, match="layers are 0 to 2, indices 0 to 23"):
            shared_model("bert").out_weights([(3, 0)])
