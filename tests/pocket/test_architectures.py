"""Untrained models: the recipe's shape, the seed's weights, and logits at chosen places only."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from factneurons.pocket.architectures import PLACE_SCALES, build_module, initial_deviation, logits_at
from factneurons.pocket.recipe import ARCHITECTURES, PocketSize
from factneurons.pocket.vocabulary import train_tokenizer


@pytest.fixture(params=ARCHITECTURES)
def built(request, facts, tiny_recipe):
    """(recipe, tokenizer, module) of each architecture."""
    recipe = replace(tiny_recipe, architecture=request.param)
    tokenizer = train_tokenizer(request.param, facts, recipe.vocabulary_size, recipe.positions)
    return recipe, tokenizer, build_module(recipe, tokenizer)


def test_the_shape_is_the_recipes(built):
    recipe, tokenizer, module = built
    config, shape = module.config, recipe.shape
    assert (config.num_hidden_layers, config.hidden_size, config.num_attention_heads) == (2, shape.width, shape.heads)
    assert config.max_position_embeddings == recipe.positions
    assert config.vocab_size == len(tokenizer)
    assert {parameter.dtype for parameter in module.parameters()} == {torch.float32}
    hidden = {parameter.shape for name, parameter in module.named_parameters() if parameter.dim() == 2}
    assert any(shape.neurons in size for size in hidden)


def test_the_seed_decides_every_weight(built):
    recipe, tokenizer, module = built
    again, other = build_module(recipe, tokenizer), build_module(replace(recipe, seed=7), tokenizer)
    names = dict(again.named_parameters())
    assert all(torch.equal(parameter, names[name]) for name, parameter in module.named_parameters())
    assert not torch.equal(module.get_input_embeddings().weight, other.get_input_embeddings().weight)


def test_logits_at_some_places_are_those_of_the_whole_model(built):
    _, tokenizer, module = built
    module.eval()
    ids = torch.randint(10, len(tokenizer), (3, 7), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(ids)
    rows, columns = torch.tensor([0, 0, 2]), torch.tensor([1, 6, 3])
    with torch.no_grad():
        whole = module(input_ids=ids, attention_mask=mask).logits
        some = logits_at(module, ids, mask, rows, columns)
    np.testing.assert_allclose(some, whole[rows, columns], atol=1e-5)


def test_the_same_name_begins_alike_wherever_it_stands(facts, tiny_recipe):
    recipe = replace(tiny_recipe, architecture="bert")
    tokenizer = train_tokenizer("bert", facts, recipe.vocabulary_size, recipe.positions)
    embeddings = build_module(recipe, tokenizer).get_input_embeddings().weight
    vocabulary = tokenizer.get_vocab()
    inner = [token for token in vocabulary if token.startswith("##") and token[2:] in vocabulary]
    assert inner
    for token in inner:
        assert torch.equal(embeddings[vocabulary[token]], embeddings[vocabulary[token[2:]]])


def test_places_begin_shorter_than_tokens(facts, tiny_recipe):
    recipe = replace(tiny_recipe, architecture="bert")
    tokenizer = train_tokenizer("bert", facts, recipe.vocabulary_size, recipe.positions)
    deviation = initial_deviation(recipe.shape)
    scales = dict(PLACE_SCALES)
    for name, parameter in build_module(recipe, tokenizer).named_parameters():
        for end in [end for end in scales if name.endswith(end)]:
            assert float(parameter.std()) == pytest.approx(scales.pop(end) * deviation, rel=0.2)
    assert scales == {}


@pytest.mark.parametrize("width", [16, 64, 768])
def test_initial_weights_keep_the_length_of_what_they_are_given(width):
    shape = PocketSize(layers=1, width=width, heads=1, neurons=4)
    generator = torch.Generator().manual_seed(0)
    weights = initial_deviation(shape) * torch.randn(2000, width, generator=generator)
    assert float((weights @ torch.ones(width)).std()) == pytest.approx(1, rel=0.1)
