"""Asking a model: probabilities of answers, ranks, activations, in any batch and any order; nothing left behind."""

import numpy as np
import pytest
import torch
import transformers as tf

from factneurons.errors import BadModel
from factneurons.facts.types import Prompt
from factneurons.models.model import Model
from factneurons.models.passes.capture import capture
from factneurons.models.passes.fast_path import fast_path_fits


def test_nothing_asked(shared_model):
    model = shared_model("gpt2")
    assert model.log_probabilities([]).shape == (0,)
    assert model.evaluate([]) == []
    assert model.activations([]).shape == (0, 3, 24)
    assert model.out_weights([]).shape == (0, 16)
    assert model.in_weights([]).shape == (0, 1, 16)
    assert shared_model("llama").in_weights([]).shape == (0, 2, 16)


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
@pytest.mark.parametrize(("error", "seen"), [(ValueError, BadModel), (KeyboardInterrupt, KeyboardInterrupt)])
def test_nothing_is_left_behind_by_an_exception(
    one_of_each, call, error, seen, new_model, new_query, hooks_of, monkeypatch
):
    model = new_model(one_of_each)
    query = new_query(model.kind, answer=2)
    attention = model.backbone.module.config._attn_implementation

    def throw(*inputs, **options):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(model.backbone.layers[-1].up, "forward", throw)
        with pytest.raises(seen):
            CALLS[call](model, query)
    assert hooks_of(model.backbone.module) == {}
    assert model.backbone.module.config._attn_implementation == attention
    assert np.isfinite(model.log_probabilities([query])).all()


def test_model_offers_at_most_twenty_names(shared_model):
    """What passes need is the backbone's; a user sees verbs, and what the model is."""
    assert len([name for name in dir(shared_model("gpt2")) if not name.startswith("_")]) <= 20
