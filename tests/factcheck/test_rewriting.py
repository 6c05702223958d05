"""Rewriting by the model: what it reads, and what is made of what it writes."""

from __future__ import annotations

import pytest

import factneurons as fn
from factneurons.errors import NotAskable
from factneurons.factcheck import rewriting
from factneurons.factcheck.rewriting import EXAMPLES, MARK, rewritten
from factneurons.models import generation

LONG = fn.Prompt("After dinner the talk turned to France. The host said: The capital of France is ___.")


@pytest.fixture(scope="module")
def model():
    return fn.load_model("pocket-gpt2", device="cpu")


@pytest.fixture
def writing(monkeypatch):
    """writing(text): the model writes this; what it was asked is returned."""
    asked = []

    def write(text):
        def generate(model, prompts, **_):
            asked.extend(prompt.text for prompt in prompts)
            return [text] * len(prompts)

        monkeypatch.setattr(generation, "generate", generate)
        return asked

    return write


def test_a_sentence_with_its_blank_and_subject_is_used(model, writing):
    asked = writing(f" The capital of France is {MARK}.\n\nText: more")
    assert rewritten(model, LONG, "France", "en", ("Paris", "Rome")).text == "The capital of France is ___."
    (text,) = asked
    assert text.count("Text:") == 4
    assert text.endswith(f"The capital of France is {MARK}.\nSentence: ___")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (" The capital of France.", "has no blank, or several"),
        (f" {MARK} and {MARK} of France", "has no blank, or several"),
        (f" The capital of Spain is {MARK}.", "does not name 'France'"),
        (f" Paris is in France, said {MARK}.", "fills its blank itself"),
        ("", "has no blank"),
    ],
)
def test_anything_else_is_a_failure(model, writing, text, why):
    writing(text)
    with pytest.raises(NotAskable, match=why) as caught:
        rewritten(model, LONG, "France", "en", ("Paris", "Rome"))
    assert caught.value.reason == "not-rewritten"


def test_fewer_examples_where_all_do_not_fit(model, monkeypatch):
    seen = []

    def generate(model, prompts, **_):
        seen.append(prompts[0].text.count("Text:"))
        if seen[-1] > 2:
            raise NotAskable("prompt-too-long", "too long")
        return [f"France: {MARK}"]

    monkeypatch.setattr(generation, "generate", generate)
    assert rewritten(model, LONG, "France", "en", ()).text == "France: ___"
    assert seen == [4, 3, 2]


def test_a_real_model_says_why_it_cannot(model):
    with pytest.raises(NotAskable) as caught:
        rewritten(model, LONG, "France", "en", ("Paris",))
    assert caught.value.reason in ("not-rewritten", "prompt-too-long")
    with pytest.raises(NotAskable, match="no examples") as caught:
        rewritten(model, LONG, "France", "xx", ("Paris",))
    assert caught.value.reason == "no-examples"


def test_examples_keep_their_sentence_word_for_word():
    assert set(EXAMPLES) == set(rewriting._WORDS)
    for pairs in EXAMPLES.values():
        for long, short in pairs:
            assert long.count(MARK) == short.count(MARK) == 1
            assert short.rstrip(".。").casefold() in long.casefold()
