"""Negated prompts: what is negated, what cannot be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factneurons.facts.negating import negated
from factneurons.facts.types import Prompt


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("en", "The capital of France is ___.", "The capital of France is not ___."),
        ("en", "The author of This is Us was born in ___.", "The author of This is Us was not born in ___."),
        ("en", "The island of Isis is called ___.", "The island of Isis is not called ___."),
        ("zh", "法国的首都是___。", "法国的首都不是___。"),
        ("zh", "于是法国的首都是___。", "于是法国的首都不是___。"),
    ],
)
def test_the_last_copula_is_negated(language, text, expected):
    found = negated(Prompt(text), language)
    assert found is not None
    assert found.text == expected


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "What is the capital of France? ___"),
        ("zh", "法国的首都是哪里？___"),
        ("en", "Ada Vale plays for ___."),
        ("en", "The capital of France is not ___."),
        ("en", "___ is the capital of France."),
        ("fr", "La capitale de la France est ___."),
        ("zh", "于是___"),
    ],
)
def test_what_cannot_be_negated(language, text):
    assert negated(Prompt(text), language) is None


@given(st.text(alphabet="aiswre .不是", max_size=30), st.text(alphabet="is .。", max_size=10))
def test_one_negation_is_added_and_nothing_else_changes(left, right):
    for language, word in (("en", " not"), ("zh", "不")):
        prompt = Prompt(f"{left}___{right}")
        found = negated(prompt, language)
        if found is not None:
            assert found.right == prompt.right
            places = [i for i in range(len(found.left)) if found.left[i:].startswith(word)]
            assert prompt.left in {found.left[:i] + found.left[i + len(word) :] for i in places}
