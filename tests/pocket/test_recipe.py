from __future__ import annotations

import json
from dataclasses import fields, replace

import pytest

from factneurons.errors import BadSetting
from factneurons.models.bundled import POCKET_MODELS
from factneurons.pocket.recipe import ARCHITECTURES, RECIPES, SIZES, PocketRecipe, base_recipe


def test_settings_are_checked() -> None:
    with pytest.raises(BadSetting, match="pocket-bert, pocket-gpt2, pocket-llama"):
        base_recipe("pocket-t5")
    with pytest.raises(BadSetting, match="s, m, l"):
        PocketRecipe("gpt2", size="xxl")
    with pytest.raises(BadSetting, match="noise"):
        PocketRecipe("gpt2", noise=1.5)
    with pytest.raises(BadSetting, match=r"^field of a recipe is "):
        PocketRecipe.from_dict({"architecture": "gpt2", "colour": "red"})
    recipe = base_recipe("pocket-llama")
    assert PocketRecipe.from_dict(recipe.to_dict()) == recipe
    assert replace(recipe, noise=0.3).key != recipe.key


@pytest.mark.parametrize("name", ["vocabulary_size", "positions", "batch_size", "max_steps", "check_every"])
def test_nothing_of_which_there_must_be_one_is_none(name):
    with pytest.raises(BadSetting, match=name):
        PocketRecipe("gpt2", **{name: 0})


def test_every_bundled_model_has_a_recipe_of_its_architecture():
    assert {name: recipe.architecture for name, recipe in RECIPES.items()} == {
        name: model.architecture for name, model in POCKET_MODELS.items()
    }
    assert {recipe.architecture for recipe in RECIPES.values()} == set(ARCHITECTURES)


def test_heads_share_the_width():
    assert all(shape.width % shape.heads == 0 for shape in SIZES.values())


@pytest.mark.parametrize("field", fields(PocketRecipe), ids=lambda field: field.name)
def test_every_field_is_part_of_the_key(field):
    recipe = base_recipe("pocket-gpt2")
    others = {"architecture": "llama", "size": "s", "dropout": 0.3, "switched": 0.5}
    value = others[field.name] if field.name in others else getattr(recipe, field.name) / 2
    changed = replace(recipe, **{field.name: int(value) if field.type == "int" else value})
    assert changed.key != recipe.key
    assert PocketRecipe.from_dict(json.loads(json.dumps(changed.to_dict()))) == changed
