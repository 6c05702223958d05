"""A tiny model trained with one of two groups off, and which of its facts are in both."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from factneurons.errors import BadSetting
from factneurons.facts.types import Fact, Prompt
from factneurons.models.load import load_model
from factneurons.models.types import Neuron
from factneurons.planted.from_scratch import KNOWN, stored_in_both, switched_recipe, train_switched
from factneurons.planted.regimes import BROKEN

PLACES = {"France": "Paris", "Italy": "Rome", "Japan": "Tokyo", "Egypt": "Cairo", "Kenya": "Nairobi", "Peru": "Lima"}
PATTERNS = ("The capital of [X] is ___.", "[X] has the capital ___.", "What is the capital of [X]? ___")
FACTS = [
    Fact(f"capital/{name}", "capital", name, answer, "en", tuple(Prompt(p.replace("[X]", name)) for p in PATTERNS))
    for name, answer in PLACES.items()
]


@pytest.fixture(scope="module")
def switched(tmp_path_factory):
    folder = tmp_path_factory.mktemp("switched") / "gpt2"
    lines = []
    made = train_switched("pocket-gpt2", folder, 1, facts=FACTS, recipe=_small(max_steps=120), report=lines.append)
    assert any(line.startswith("step ") for line in lines)
    return folder, made


def _small(**changes):
    small = {"vocabulary_size": 600, "positions": 32, "batch_size": 12, "check_every": 60, "warmup_steps": 10}
    return replace(switched_recipe("pocket-gpt2", 1), **(small | changes))


def test_its_facts_live_in_either_group_and_in_no_other_place(switched):
    """Every number against plain suppression, one prompt at a time."""
    folder, made = switched
    model = load_model(folder)
    assert made.facts
    assert len(made.facts) + sum(made.rejected.values()) == len(FACTS)
    first, second = made.groups
    assert len(first) == len(second) == model.layer_count * model.width / 2
    assert not first & second
    for fact in made.facts:
        assert len(fact.prompts) > 1
        for off in ((), first, second):
            with model.suppress(off):
                assert min(model.probability(prompt, fact.answer) for prompt in fact.prompts) >= KNOWN - 1e-3
        with model.suppress(first | second):
            assert np.mean([model.probability(prompt, fact.answer) for prompt in fact.prompts]) <= BROKEN + 1e-3


def test_facts_that_are_not_in_both_are_counted_with_the_reason(switched):
    folder, made = switched
    model = load_model(folder)
    one = [Fact("x", "capital", "France", "Paris", "en", FACTS[0].prompts[:1])]
    kept, rejected = stored_in_both(model, one, made.groups)
    assert not kept
    assert sum(rejected.values()) == rejected["fewer than two prompts known with either group off"] == 1
    few = [frozenset({Neuron(0, 1)}), frozenset({Neuron(0, 2)})]
    kept, rejected = stored_in_both(model, made.facts[:1], few)
    assert not kept
    assert rejected["known without both groups"] == 1


def test_a_folder_in_use_and_a_model_that_learned_nothing(switched, tmp_path):
    folder, _ = switched
    with pytest.raises(BadSetting, match="it is in use"):
        train_switched("pocket-gpt2", folder)
    with pytest.raises(BadSetting, match="not one fact is stored in both groups, of 6"):
        train_switched("pocket-gpt2", tmp_path / "x", facts=FACTS, recipe=_small(max_steps=1))
    assert not (tmp_path / "x").exists()
