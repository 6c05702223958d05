"""A tiny model trained with one of two groups off; which of its facts are in both; and the file that says so."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from factneurons.errors import BadRun, BadSetting
from factneurons.facts.types import Fact, Prompt
from factneurons.models.load import load_model
from factneurons.models.types import Neuron
from factneurons.planted.regimes import BROKEN
from factneurons.planted.switched import GROUPS, KNOWN, Switched, stored_in_both, switched_recipe, train_switched

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


def test_what_is_known_of_it_is_read_again(switched, tmp_path):
    folder, made = switched
    assert Switched.load(folder) == made
    with pytest.raises(BadRun, match=r"no model trained with groups switched off, it has no groups\.json"):
        Switched.load(tmp_path)
    for text in ("{", '{"format": "other"}', json.dumps({"format": "factneurons groups 1", "groups": [[]]})):
        (tmp_path / GROUPS).write_text(text, encoding="utf-8")
        with pytest.raises(BadRun, match=r"groups\.json: cannot be read"):
            Switched.load(tmp_path)


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
