from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

from factneurons.errors import BadRun
from factneurons.facts.types import Fact
from factneurons.pocket.recall import measure_recall, write_recall
from factneurons.pocket.recipe import PocketRecipe
from factneurons.pocket.training import learning_rate, train_pocket


class Killed(Exception):
    """Stands for a kill at a check."""


def kill_at(step: int) -> Callable[[str], None]:
    def report(line: str) -> None:
        if line.startswith(f"step {step} "):
            raise Killed

    return report


@pytest.mark.parametrize("noise", [0.0, 0.2])
def test_killed_and_resumed_ends_with_the_same_weights(
    noise: float, facts: list[Fact], tiny_recipe: PocketRecipe, tmp_path: Path
) -> None:
    recipe = replace(tiny_recipe, noise=noise, dropout=noise, switched=noise)
    whole = train_pocket("pocket-gpt2", out=tmp_path / "whole", facts=facts, recipe=recipe)
    with pytest.raises(Killed):  # killed at step 8, before that checkpoint is written
        train_pocket("pocket-gpt2", out=tmp_path / "cut", facts=facts, recipe=recipe, report=kill_at(8))
    assert json.loads((tmp_path / "cut/checkpoint/state.json").read_text())["step"] == 4
    resumed = train_pocket("pocket-gpt2", out=tmp_path / "cut", facts=facts, recipe=recipe)
    assert whole.finished
    assert resumed.finished
    assert resumed.steps == whole.steps == 12
    first = load_file(tmp_path / "whole/model.safetensors")
    second = load_file(tmp_path / "cut/model.safetensors")
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_out_of_time_leaves_a_checkpoint(facts: list[Fact], tiny_recipe: PocketRecipe, tmp_path: Path) -> None:
    result = train_pocket("pocket-gpt2", out=tmp_path, facts=facts, recipe=tiny_recipe, max_minutes=0)
    assert not result.finished
    assert result.steps == tiny_recipe.check_every
    assert (tmp_path / "checkpoint/model.safetensors").exists()
    assert not (tmp_path / "model.safetensors").exists()


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


@pytest.mark.parametrize("architecture", ["bert", "gpt2", "llama"])
def test_learns_loads_and_is_safetensors_only(
    architecture: str, facts: list[Fact], tiny_recipe: PocketRecipe, tmp_path: Path
) -> None:
    recipe = replace(
        tiny_recipe, architecture=architecture, max_steps=300, check_every=20, target_trained=0.95, target_left_out=0.0
    )
    result = train_pocket(f"pocket-{architecture}", out=tmp_path, facts=facts, recipe=recipe)
    assert min(value for name, value in result.recall.items() if name.endswith("/trained")) > 0.9
    names = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"} <= names
    assert {Path(name).suffix for name in names} == {".json", ".safetensors"}
    loader = AutoModelForMaskedLM if architecture == "bert" else AutoModelForCausalLM
    module = loader.from_pretrained(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert next(module.parameters()).dtype == torch.float32
    assert load_file(tmp_path / "model.safetensors").popitem()[1].dtype == torch.float16
    rows = measure_recall(result.folder.name, module, tokenizer, facts)
    total = {(row.language, row.prompts): row for row in rows if row.relation == "all"}
    assert total["en", "trained"].recall > 0.9
    assert total["en", "left_out"].asked == 6
    assert total["en", "trained"].asked + total["en", "trained"].refused == 18
    write_recall(tmp_path / "recall.csv", rows)
    assert len((tmp_path / "recall.csv").read_text(encoding="utf-8").splitlines()) == 1 + len(rows)


def test_the_global_random_state_is_left_alone(facts: list[Fact], tiny_recipe: PocketRecipe, tmp_path: Path) -> None:
    before = torch.get_rng_state()
    train_pocket("pocket-gpt2", out=tmp_path, facts=facts, recipe=replace(tiny_recipe, max_steps=4))
    assert torch.equal(before, torch.get_rng_state())


def test_learning_rate_rises_then_falls() -> None:
    recipe = PocketRecipe("gpt2", warmup_steps=10, max_steps=100, learning_rate=1.0)
    rates = [learning_rate(recipe, step) for step in range(100)]
    assert rates[0] < rates[5] < rates[9]
    assert rates[10] > rates[50] > rates[99] > 0.1
