"""Recall beside the public way of asking: rank 1 and P(answer) of every prompt."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

from factneurons.facts.source import load_facts
from factneurons.facts.types import Fact
from factneurons.models.bundled import pocket_path
from factneurons.models.load import load_model
from factneurons.pocket.corpus import make_examples
from factneurons.pocket.encoding import ask_examples
from factneurons.pocket.recall import COLUMNS, RecallRow, measure_recall, recall_by, score_queries, write_recall
from factneurons.pocket.recipe import PocketRecipe
from factneurons.pocket.training import train_pocket


def test_scores_do_not_depend_on_the_batch(facts: list[Fact], tiny_recipe: PocketRecipe, tmp_path: Path) -> None:
    train_pocket("pocket-gpt2", out=tmp_path, facts=facts, recipe=tiny_recipe)
    module = AutoModelForCausalLM.from_pretrained(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    queries = [item.query for item in ask_examples(tokenizer, make_examples(facts), cloze=False)[0]]
    together, _ = score_queries(module, tokenizer, queries)
    alone, _ = score_queries(module, tokenizer, queries, batch_size=1)
    np.testing.assert_allclose(together, alone, atol=1e-5)


@pytest.fixture(scope="module", params=["pocket-bert", "pocket-gpt2"])
def bundled(request):
    """A bundled model as plain transformers load it, its tokenizer, the public model, and some facts."""
    folder = pocket_path(request.param)
    loader = AutoModelForMaskedLM if request.param == "pocket-bert" else AutoModelForCausalLM
    facts = list(load_facts("bundled?relation=capital,author&sample=6&seed=1"))
    return loader.from_pretrained(folder), AutoTokenizer.from_pretrained(folder), load_model(request.param), facts


def test_scores_are_those_of_the_public_model(bundled):
    module, tokenizer, model, facts = bundled
    asked, _ = ask_examples(tokenizer, make_examples(facts), cloze=tokenizer.mask_token is not None)
    queries = [item.query for item in asked]
    logs, correct = score_queries(module, tokenizer, queries)
    np.testing.assert_allclose(np.exp(logs), model.probabilities(queries), rtol=1e-3, atol=1e-6)
    single = [place for place, query in enumerate(queries) if len(query.answer_ids) == 1]
    ranks = [each.rank for each in model.evaluate([queries[place] for place in single])]
    assert [bool(correct[place]) for place in single] == [rank == 1 for rank in ranks]


def test_rows_add_up(bundled):
    module, tokenizer, _, facts = bundled
    rows = measure_recall("name", module, tokenizer, facts)
    examples = list(make_examples(facts))
    asked, refused = ask_examples(tokenizer, examples, cloze=tokenizer.mask_token is not None)
    every = [row for row in rows if row.relation == "all"]
    assert sum(row.asked for row in every) == len(asked)
    assert sum(row.refused for row in every) == len(refused) == len(examples) - len(asked)
    for total in every:
        parts = [
            row
            for row in rows
            if row.relation != "all" and (row.language, row.prompts) == (total.language, total.prompts)
        ]
        assert total.asked == sum(row.asked for row in parts)
        assert total.recalled == sum(row.recalled for row in parts)
        mean = sum(row.mean_probability * row.asked for row in parts if row.asked) / total.asked
        assert total.mean_probability == pytest.approx(mean)
    _, correct = score_queries(module, tokenizer, [item.query for item in asked])
    by = recall_by(asked, correct)
    assert by == {f"{row.language}/{row.prompts}": pytest.approx(row.recall) for row in every}


def test_a_row_of_nothing_has_no_recall(tmp_path):
    row = RecallRow("pocket-gpt2", "en", "capital", "trained", 0, 0, float("nan"), 3)
    assert np.isnan(row.recall)
    write_recall(tmp_path / "recall.csv", [row])
    (read,) = csv.DictReader((tmp_path / "recall.csv").read_text(encoding="utf-8").splitlines())
    assert tuple(read) == COLUMNS
    assert (read["recall"], read["refused"]) == ("nan", "3")
