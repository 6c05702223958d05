"""Recipes: what is refused, and that they come back from what is kept beside the weights."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from factneurons.errors import BadSetting
from factneurons.models.bundled import POCKET_MODELS, WEIGHTS
from factneurons.pocket.recipe import PocketRecipe, base_recipe

BUNDLED = [name for name in POCKET_MODELS if (WEIGHTS / name / "model.safetensors").is_file()]


@pytest.mark.parametrize("name", BUNDLED)
def test_the_recipe_is_kept_beside_the_weights(name: str) -> None:
    content = json.loads((WEIGHTS / name / "recipe.json").read_text(encoding="utf-8"))
    assert PocketRecipe.from_dict(content["recipe"]).architecture == POCKET_MODELS[name].architecture
    assert content["history"][-1]["step"] == content["steps"]


def test_settings_are_checked() -> None:
    with pytest.raises(BadSetting, match="pocket-bert, pocket-gpt2, pocket-llama"):
        base_recipe("pocket-t5")
    with pytest.raises(BadSetting, match="s, m, l"):
        PocketRecipe("gpt2", size="xxl")
    with pytest.raises(BadSetting, match="noise"):
        PocketRecipe("gpt2", noise=1.5)
    with pytest.raises(BadSetting, match="unknown fields"):
        PocketRecipe.from_dict({"architecture": "gpt2", "colour": "red"})
    recipe = base_recipe("pocket-llama")
    assert PocketRecipe.from_dict(recipe.to_dict()) == recipe
    assert replace(recipe, noise=0.3).key != recipe.key
