"""Greedy text against transformers' own generation, and against whole passes token by token with neurons changed."""

from __future__ import annotations

from contextlib import ExitStack

import numpy as np
import pytest
import torch

from factneurons.models.passes import generation
from factneurons.models.passes.generation import continuations
from factneurons.models.types import Neuron

CAUSAL = ["gpt2", "gpt_neo", "gpt_neox", "llama", "gemma3_text", "phi3", "opt", "bloom", "home-made"]
NOTHING = ({},) * 4


def prompts(seed=0):
    generator = np.random.default_rng(seed)
    return [generator.integers(8, 48, length).tolist() for length in (5, 2, 7, 1)]


def one_by_one(model, downs, prompt, factors, tokens, everywhere):
    """Whole texts, one token at a time, neurons multiplied by a hook of their own."""
    text = list(prompt)
    for _ in range(tokens):
        with ExitStack() as stack:
            for (layer, index), factor in factors.items():

                def hook(module, inputs, index=index, factor=factor):
                    values = inputs[0].reshape(1, len(text), -1).clone()
                    values[:, 0 if everywhere else len(prompt) - 1 :, index] *= factor
                    return (values.view(inputs[0].shape),)

                stack.callback(downs[layer].register_forward_pre_hook(hook).remove)
            with torch.no_grad():
                token = int(model.backbone.module(input_ids=torch.tensor([text])).logits[0, -1].argmax())
        if token == model.backbone.tokenizer.eos_token_id:
            break
        text.append(token)
    return text[len(prompt) :]


@pytest.mark.parametrize("family", CAUSAL)
@pytest.mark.parametrize("everywhere", [False, True])
def test_each_row_is_what_whole_passes_give_with_its_own_neurons(shared_model, family_row, family, everywhere):
    model = shared_model(family)
    downs = family_row[family].downs(model.backbone.module)
    sets = [{}, {Neuron(0, 3): 4.0, Neuron(1, 5): -3.0}, {Neuron(1, 2): 0.0}, {Neuron(0, 3): -5.0, Neuron(0, 7): 6.0}]
    found = continuations(model.backbone, prompts(), sets, tokens=5, everywhere=everywhere)
    expected = [
        one_by_one(model, downs, prompt, factors, 5, everywhere)
        for prompt, factors in zip(prompts(), sets, strict=True)
    ]
    assert found == expected


def test_the_changes_of_these_tests_change_something(shared_model):
    model = shared_model("llama")
    sets = [{}, {Neuron(0, 3): 4.0, Neuron(1, 5): -3.0}, {Neuron(1, 2): 0.0}, {Neuron(0, 3): -5.0, Neuron(0, 7): 6.0}]
    assert continuations(model.backbone, prompts(), sets, tokens=5) != continuations(
        model.backbone, prompts(), NOTHING, tokens=5
    )


@pytest.mark.parametrize("family", ["gpt2", "llama", "gpt_neox"])
def test_without_changes_it_is_transformers_greedy_generation(shared_model, family):
    model = shared_model(family)
    found = continuations(model.backbone, prompts(), NOTHING, tokens=8)
    for prompt, own in zip(prompts(), found, strict=True):
        out = model.backbone.module.generate(
            torch.tensor([prompt]),
            attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
            max_new_tokens=8,
            do_sample=False,
            eos_token_id=model.backbone.tokenizer.eos_token_id,
            pad_token_id=0,
        )
        theirs = out[0, len(prompt) :].tolist()
        end = model.backbone.tokenizer.eos_token_id
        assert own == (theirs[: theirs.index(end)] if end in theirs else theirs)


def test_open_changes_of_the_model_act_too(shared_model):
    model = shared_model("gpt2")
    neurons = [(0, 3), (1, 5)]
    with model.scale_values(neurons, -6.0):
        opened = continuations(model.backbone, prompts(), NOTHING, tokens=5)
    given = continuations(model.backbone, prompts(), [{Neuron(*each): -6.0 for each in neurons}] * 4, tokens=5)
    assert opened == given
    assert opened != continuations(model.backbone, prompts(), NOTHING, tokens=5)


def test_a_text_stops_where_the_model_has_no_more_positions(shared_model):
    model = shared_model("gpt2")
    long, short = list(range(8, 18)), [9, 10]
    found = continuations(model.backbone, [long, short], [{}, {}], tokens=6, limit=12)
    free = continuations(model.backbone, [long, short], [{}, {}], tokens=6)
    assert [len(own) for own in found] == [2, 6]
    assert found == [free[0][:2], free[1]]


def test_small_batches_give_the_same(shared_model, monkeypatch):
    model = shared_model("llama")
    whole = continuations(model.backbone, prompts(), NOTHING, tokens=4)
    monkeypatch.setattr(generation, "_TOKENS", 20)
    assert continuations(model.backbone, prompts(), NOTHING, tokens=4) == whole


def test_no_hooks_stay(shared_model, hooks_of):
    model = shared_model("llama")
    before = hooks_of(model.backbone.module)
    continuations(model.backbone, prompts(), [{Neuron(0, 1): 2.0}] * 4, tokens=2)
    assert hooks_of(model.backbone.module) == before
