"""Recall: of the bundled models, where this copy has their weights, and in any batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

from factneurons.facts.source import load_facts
from factneurons.facts.types import Fact
from factneurons.models.bundled import POCKET_MODELS, WEIGHTS
from factneurons.pocket.recall import measure_recall, score_queries
from factneurons.pocket.recipe import PocketRecipe
from factneurons.pocket.training import train_pocket

BUNDLED = [name for name in POCKET_MODELS if (WEIGHTS / name / "model.safetensors").is_file()]


SAMPLE = 240


@pytest.fixture(scope="module")
def sample() -> list[Fact]:
    return list(load_facts(f"bundled?reverse=yes&sample={SAMPLE}&seed=3"))


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
