from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

from factneurons.errors import BadRun, BadSetting
from factneurons.facts.types import Fact
from factneurons.pocket.batches import add_noise, collate, epoch_order
from factneurons.pocket.encoding import EncodedExample
from factneurons.pocket.recall import measure_recall, score_queries, write_recall
from factneurons.pocket.recipe import PocketRecipe, base_recipe
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
    recipe = replace(tiny_recipe, noise=noise, dropout=noise)
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


def test_scores_do_not_depend_on_the_batch(facts: list[Fact], tiny_recipe: PocketRecipe, tmp_path: Path) -> None:
    from factneurons.pocket.corpus import make_examples
    from factneurons.pocket.encoding import ask_examples

    train_pocket("pocket-gpt2", out=tmp_path, facts=facts, recipe=tiny_recipe)
    module = AutoModelForCausalLM.from_pretrained(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    queries = [item.query for item in ask_examples(tokenizer, make_examples(facts), cloze=False)[0]]
    together, _ = score_queries(module, tokenizer, queries)
    alone, _ = score_queries(module, tokenizer, queries, batch_size=1)
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_the_global_random_state_is_left_alone(facts: list[Fact], tiny_recipe: PocketRecipe, tmp_path: Path) -> None:
    before = torch.get_rng_state()
    train_pocket("pocket-gpt2", out=tmp_path, facts=facts, recipe=replace(tiny_recipe, max_steps=4))
    assert torch.equal(before, torch.get_rng_state())


def test_an_epoch_holds_every_example_once_and_depends_on_seed_and_epoch() -> None:
    lengths = list(np.random.default_rng(0).integers(3, 30, 103))
    order = epoch_order(lengths, 10, seed=1, epoch=0)
    assert sorted(np.concatenate(order).tolist()) == list(range(103))
    assert all(np.ptp(np.asarray(lengths)[batch]) <= 6 for batch in order)
    again = epoch_order(lengths, 10, seed=1, epoch=0)
    assert all(np.array_equal(a, b) for a, b in zip(order, again, strict=True))
    other = np.concatenate(epoch_order(lengths, 10, seed=1, epoch=1))
    assert not np.array_equal(np.concatenate(order), other)


def test_noise_touches_context_tokens_only() -> None:
    example = EncodedExample((1, 2, 3, 4, 5, 6), (5,), (7,), (1.0,), noisy=(1, 2, 3))
    batch = collate([example] * 200, pad=0)
    add_noise(batch, [example] * 200, 0.5, 1000, seed=3, step=5)
    changed = (batch.input_ids != collate([example] * 200, pad=0).input_ids).float().mean(0)
    assert changed[[0, 4, 5]].sum() == 0
    assert all(0.35 < share < 0.65 for share in changed[1:4].tolist())


def test_settings_are_checked() -> None:
    with pytest.raises(BadSetting, match="pocket-bert, pocket-gpt2, pocket-llama"):
        base_recipe("pocket-t5")
    with pytest.raises(BadSetting, match="s, m, l"):
        PocketRecipe("gpt2", size="xxl")
    with pytest.raises(BadSetting, match="noise"):
        PocketRecipe("gpt2", noise=1.5)
    with pytest.raises(BadSetting, match="^field of a recipe is "):
        PocketRecipe.from_dict({"architecture": "gpt2", "colour": "red"})
    recipe = base_recipe("pocket-llama")
    assert PocketRecipe.from_dict(recipe.to_dict()) == recipe
    assert replace(recipe, noise=0.3).key != recipe.key


def test_learning_rate_rises_then_falls() -> None:
    recipe = PocketRecipe("gpt2", warmup_steps=10, max_steps=100, learning_rate=1.0)
    rates = [learning_rate(recipe, step) for step in range(100)]
    assert rates[0] < rates[5] < rates[9]
    assert rates[10] > rates[50] > rates[99] > 0.1
