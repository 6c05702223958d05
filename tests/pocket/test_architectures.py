"""Untrained pocket models: the recipe's shape, weights by the seed, logits at some positions only."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from factneurons.facts.types import Fact
from factneurons.pocket.architectures import build_module, initial_deviation, logits_at
from factneurons.pocket.recipe import PocketRecipe
from factneurons.pocket.vocabulary import train_tokenizer


@pytest.mark.parametrize("architecture", ["bert", "gpt2", "llama"])
def test_logits_at_some_positions_are_those_of_the_whole_pass(
    architecture: str, facts: list[Fact], tiny_recipe: PocketRecipe
) -> None:
    recipe = replace(tiny_recipe, architecture=architecture)
    tokenizer = train_tokenizer(architecture, facts, recipe.vocabulary_size, recipe.positions)
    module = build_module(recipe, tokenizer).eval()
    ids = torch.arange(10, 22).view(2, 6)
    mask = torch.ones_like(ids)
    rows, columns = torch.tensor([0, 1, 1]), torch.tensor([5, 0, 3])
    with torch.no_grad():
        whole = module(input_ids=ids, attention_mask=mask).logits
        found = logits_at(module, ids, mask, rows, columns)
    torch.testing.assert_close(found, whole[rows, columns], rtol=1e-5, atol=1e-6)
    again = build_module(recipe, tokenizer).state_dict()
    assert all(torch.equal(tensor, again[name]) for name, tensor in module.state_dict().items())
    other = build_module(replace(recipe, seed=recipe.seed + 1), tokenizer).state_dict()
    assert any(not torch.equal(tensor, other[name]) for name, tensor in module.state_dict().items())


def test_embeddings_begin_with_about_unit_length() -> None:
    shape = PocketRecipe("gpt2").shape
    assert initial_deviation(shape) ** 2 * shape.width == pytest.approx(1)
