"""Groups of neurons, which one is off for an example, and that it is off in training."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from transformers import AutoTokenizer

from factneurons.models.bundled import pocket_path
from factneurons.models.hooks import hooked
from factneurons.models.model import Model
from factneurons.models.types import Neuron
from factneurons.pocket.architectures import build_module
from factneurons.pocket.recipe import PocketRecipe
from factneurons.pocket.switching import drawn_groups, first_groups, switching


def test_every_layer_is_halved_by_the_seed():
    recipe = PocketRecipe("gpt2", size="s", seed=3)
    first = first_groups(recipe)
    assert [(len(own), int(own.sum())) for own in first] == [(384, 192)] * 3
    assert not torch.equal(first[0], first[1])
    assert all(torch.equal(one, same) for one, same in zip(first, first_groups(recipe), strict=True))
    assert not torch.equal(first[0], first_groups(replace(recipe, seed=4))[0])


@pytest.mark.parametrize(("share", "seen"), [(0.0, {0}), (1.0, {1, 2}), (0.5, {0, 1, 2})])
def test_a_share_of_the_examples_has_one_group_off(share, seen):
    recipe = PocketRecipe("gpt2", switched=share)
    off = drawn_groups(recipe, 400, step=5)
    assert set(off.tolist()) == seen
    assert float((off > 0).float().mean()) == pytest.approx(share, abs=0.1)
    assert torch.equal(off, drawn_groups(recipe, 400, step=5))
    assert not share or not torch.equal(off, drawn_groups(recipe, 400, step=6))


@pytest.mark.parametrize("architecture", ["bert", "gpt2", "llama"])
def test_what_is_off_is_suppressed_at_all_positions(architecture):
    """Row by row the same as suppressing the group's neurons everywhere."""
    tokenizer = AutoTokenizer.from_pretrained(pocket_path(f"pocket-{architecture}"), local_files_only=True)
    recipe = PocketRecipe(architecture, size="s", seed=1)
    module = build_module(recipe, tokenizer).eval()
    model = Model(module, tokenizer, name="x", kind="cloze" if tokenizer.mask_token else "causal")
    first, ids = first_groups(recipe), torch.tensor([[5, 6, 7, 8]])
    pairs = [(Neuron(layer, index), own) for layer, each in enumerate(first) for index, own in enumerate(each.tolist())]
    with torch.no_grad(), hooked(switching(module, first, torch.tensor([0, 1, 2]))):
        rows = module(input_ids=ids.expand(3, -1)).logits
    for row, silent in enumerate((None, True, False)):
        with torch.no_grad(), model.suppress([n for n, own in pairs if own is silent], positions="all"):
            assert torch.allclose(module(input_ids=ids).logits[0], rows[row], atol=1e-4)
