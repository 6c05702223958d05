"""Checkpoints: of which recipe they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from factneurons.errors import BadRun
from factneurons.facts.types import Fact
from factneurons.pocket.recipe import PocketRecipe
from factneurons.pocket.training import train_pocket


def test_a_checkpoint_of_another_recipe_is_refused(
    facts: list[Fact], tiny_recipe: PocketRecipe, tmp_path: Path
) -> None:
    train_pocket("pocket-gpt2", out=tmp_path, facts=facts, recipe=tiny_recipe, max_minutes=0)
    with pytest.raises(BadRun, match="another recipe"):
        train_pocket("pocket-gpt2", out=tmp_path, facts=facts, recipe=replace(tiny_recipe, seed=7))
    with pytest.raises(BadRun, match="other facts"):
        train_pocket("pocket-gpt2", out=tmp_path, facts=facts[:-1], recipe=tiny_recipe)
    anew = replace(tiny_recipe, seed=7, max_steps=4)
    assert train_pocket("pocket-gpt2", out=tmp_path, facts=facts, recipe=anew, resume=False).finished
