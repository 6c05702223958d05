from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

from factneurons.errors import BadRun, BadSetting, NotAskable
from factneurons.facts.types import Fact
from factneurons.facts.writing import write_jsonl
from factneurons.models.load import load_model
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
    assert {Path(name).suffix for name in names} == {".json", ".safetensors", ".csv"}
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


def test_any_facts_of_a_file_with_every_check_kept(
    facts: list[Fact], tiny_recipe: PocketRecipe, tmp_path: Path
) -> None:
    write_jsonl(facts, tmp_path / "facts.jsonl")
    lines: list[str] = []
    made = train_pocket(
        "pocket-llama", out=tmp_path / "m", facts=str(tmp_path / "facts.jsonl"), keep=True, report=lines.append,
        recipe=replace(tiny_recipe, architecture="llama"),
    )  # fmt: skip
    assert lines[0].endswith("12 left-out prompts, 12 prompts that llama cannot be asked")
    assert made.steps_per_second > 0
    assert sorted(path.name for path in (tmp_path / "m/steps").iterdir()) == ["000004", "000008", "000012"]
    last = load_file(tmp_path / "m/steps/000012/model.safetensors")
    assert all(torch.equal(each, last[name]) for name, each in load_file(tmp_path / "m/model.safetensors").items())
    kept = load_model(str(tmp_path / "m/steps/000004"), device="cpu")
    assert kept.query(facts[0].prompts[0], facts[0].answer).answer_ids
    table = (tmp_path / "m/recall.csv").read_text(encoding="utf-8").splitlines()
    assert table[0].startswith("model,language,relation,prompts,asked")
    assert {tuple(line.split(",")[:5]) for line in table[1:]} == {
        ("m", language, relation, kind, str(6 * count))
        for language in ("en", "zh")
        for relation in ("all", "capital")
        for kind, count in (("trained", 2), ("left_out", 1))
    }  # fmt: skip


def test_options_are_fields_of_the_recipe(facts: list[Fact], tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="did you mean 'noise'"):
        train_pocket("pocket-gpt2", out=tmp_path, facts=facts, nois=0.1)


def test_facts_that_cannot_be_asked(facts: list[Fact], tiny_recipe: PocketRecipe, tmp_path: Path) -> None:
    inside = [replace(fact, prompts=fact.prompts[3:]) for fact in facts]
    with pytest.raises(NotAskable, match="gpt2 can be asked none of 12 facts"):
        train_pocket("pocket-gpt2", out=tmp_path, facts=inside, recipe=tiny_recipe)
