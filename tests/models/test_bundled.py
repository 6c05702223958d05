"""The bundled models, where this copy has their weights: files, size, recall on a sample of facts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

from factneurons.errors import BadModel
from factneurons.facts.source import load_facts
from factneurons.facts.types import Fact
from factneurons.models import bundled
from factneurons.models.bundled import POCKET_MODELS, WEIGHTS, pocket_path
from factneurons.pocket.recall import measure_recall
from factneurons.pocket.recipe import PocketRecipe

BUNDLED = [name for name in POCKET_MODELS if (WEIGHTS / name / "model.safetensors").is_file()]
SAMPLE = 240


@pytest.fixture(scope="module")
def sample() -> list[Fact]:
    return list(load_facts(f"bundled?reverse=yes&sample={SAMPLE}&seed=3"))


@pytest.mark.skipif(not BUNDLED, reason="this copy has no bundled weights")
def test_the_weights_are_small_and_nothing_is_pickled() -> None:
    files = [path for name in BUNDLED for path in (WEIGHTS / name).rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 30e6
    assert {path.suffix for path in files} <= {".json", ".safetensors"}


@pytest.mark.parametrize("name", BUNDLED)
def test_recall_on_a_sample_of_facts(name: str, sample: list[Fact]) -> None:
    folder = WEIGHTS / name
    loader = AutoModelForMaskedLM if POCKET_MODELS[name].architecture == "bert" else AutoModelForCausalLM
    module, tokenizer = loader.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    rows = measure_recall(name, module, tokenizer, sample)
    totals = {(row.language, row.prompts): row.recall for row in rows if row.relation == "all"}
    assert set(totals) == {(language, kind) for language in ("en", "zh") for kind in ("trained", "left_out")}
    for (language, kind), recall in totals.items():
        # A sample of about 120 facts; the table over all facts is in weights/recall.csv.
        assert recall >= (0.93 if kind == "trained" else 0.83), (name, language, kind)


@pytest.mark.parametrize("name", BUNDLED)
def test_the_recipe_is_kept_beside_the_weights(name: str) -> None:
    content = json.loads((WEIGHTS / name / "recipe.json").read_text(encoding="utf-8"))
    assert PocketRecipe.from_dict(content["recipe"]).architecture == POCKET_MODELS[name].architecture
    assert content["history"][-1]["step"] == content["steps"]


def test_the_recall_table_meets_the_targets() -> None:
    table = Path(WEIGHTS / "recall.csv")
    if not table.is_file():
        pytest.skip("this copy has no recall table")
    lines = [line.split(",") for line in table.read_text(encoding="utf-8").splitlines()[1:]]
    totals = [line for line in lines if line[2] == "all"]
    assert {line[0] for line in totals} == set(POCKET_MODELS)
    for name, language, _, kind, _, _, recall, *_ in totals:
        assert float(recall) >= (0.95 if kind == "trained" else 0.85), (name, language, kind)


def test_a_bundled_model_is_found_by_its_name() -> None:
    for name, model in POCKET_MODELS.items():
        assert model.name == name
        assert pocket_path(name) == WEIGHTS / name
    with pytest.raises(BadModel, match="there are: pocket-bert, pocket-gpt2, pocket-llama"):
        pocket_path("pocket-t5")


def test_weights_that_are_not_in_this_copy_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bundled, "WEIGHTS", tmp_path)
    with pytest.raises(BadModel, match=r"are not in this copy; factneurons pocket train pocket-gpt2"):
        pocket_path("pocket-gpt2")
