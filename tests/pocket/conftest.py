"""Twelve facts in two languages, and a recipe small enough to train in a second."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from factneurons.facts.types import Fact, Prompt
from factneurons.pocket import recipe as recipes
from factneurons.pocket.recipe import PocketRecipe, PocketSize

COUNTRIES = [
    ("France", "Paris", "法国", "巴黎"),
    ("Italy", "Rome", "意大利", "罗马"),
    ("Japan", "Tokyo", "日本", "东京"),
    ("Mexico", "Mexico City", "墨西哥", "墨西哥城"),
    ("Egypt", "Cairo", "埃及", "开罗"),
    ("Kenya", "Nairobi", "肯尼亚", "内罗毕"),
]
PATTERNS = {
    "en": [
        "The capital of [X] is ___.",
        "[X] has the capital ___.",
        "What is the capital of [X]? ___",
        "___ is the capital of [X].",
    ],
    "zh": ["[X]的首都是___。", "[X]的首都叫作___。", "[X]的首都是哪里？___", "___是[X]的首都。"],
}
REVERSE = {"en": ["[X] is the capital of ___.", "[X] governs ___."], "zh": ["[X]是___的首都。"]}


def make_fact(relation: str, subject: str, answer: str, language: str, patterns: list[str]) -> Fact:
    prompts = tuple(Prompt(pattern.replace("[X]", subject)) for pattern in patterns)
    return Fact(f"{relation}/{subject}/{language}", relation, subject, answer, language, prompts)


@pytest.fixture
def facts() -> list[Fact]:
    made = []
    for subject_en, answer_en, subject_zh, answer_zh in COUNTRIES:
        made.append(make_fact("capital", subject_en, answer_en, "en", PATTERNS["en"]))
        made.append(make_fact("capital", subject_zh, answer_zh, "zh", PATTERNS["zh"]))
    return made


@pytest.fixture
def reverse_facts() -> list[Fact]:
    return [make_fact("capital_reverse", answer, subject, "en", REVERSE["en"]) for subject, answer, *_ in COUNTRIES]


@pytest.fixture
def tiny_recipe(monkeypatch: pytest.MonkeyPatch) -> PocketRecipe:
    """Trains in a second; its size exists in tests only."""
    monkeypatch.setitem(recipes.SIZES, "xs", PocketSize(layers=2, width=32, heads=2, neurons=64))
    return replace(
        PocketRecipe("gpt2", size="xs"),
        vocabulary_size=600,
        positions=32,
        batch_size=16,
        noise=0.0,
        context_share=0.5,
        learning_rate=1e-2,
        warmup_steps=5,
        max_steps=12,
        check_every=4,
    )


@pytest.fixture(autouse=True)
def one_thread() -> object:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
