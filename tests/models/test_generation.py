"""`generate`: text in the blanks, and what cannot be gone on from."""

from __future__ import annotations

import pytest

import factneurons as fn
from factneurons.errors import BadSetting, NotAskable

PROMPTS = ["The capital of France is ___.", "The capital of Germany is"]


@pytest.fixture(scope="module")
def model():
    return fn.load_model("pocket-gpt2", device="cpu")


def test_a_known_answer_begins_the_text(model):
    texts = fn.generate(model, PROMPTS, tokens=4)
    assert [text.split()[0].strip(".") for text in texts] == ["Paris", "Berlin"]
    assert fn.generate(model, [PROMPTS[1]], tokens=4) == texts[1:]


def test_the_first_token_is_the_prediction_under_the_same_change(model):
    query = model.query(PROMPTS[0], "Paris")
    neurons = [(0, index) for index in range(0, 60)]
    with model.suppress(neurons):
        expected = model.evaluate([query])[0].prediction
    assert fn.generate(model, [PROMPTS[0]], [neurons], 0.0, tokens=1)[0].strip() == expected


def test_what_cannot_be_gone_on_from_is_refused(model):
    for prompt, reason in (
        ("___ is old.", "blank-not-at-end"),
        ("___", "blank-at-start"),
        ("a " * 200, "prompt-too-long"),
    ):
        with pytest.raises(NotAskable) as caught:
            fn.generate(model, [prompt])
        assert caught.value.reason == reason
    with pytest.raises(BadSetting, match="2 prompts need one neuron set each, not 1"):
        fn.generate(model, PROMPTS, [[]])
    with pytest.raises(BadSetting, match="no neuron"):
        fn.generate(model, PROMPTS, [[], [(99, 0)]])
    with pytest.raises(BadSetting, match="tokens is 0"):
        fn.generate(model, PROMPTS, tokens=0)


def test_a_masked_model_writes_no_text():
    bert = fn.load_model("pocket-bert", device="cpu")
    with pytest.raises(NotAskable, match="asked as cloze") as caught:
        fn.generate(bert, PROMPTS)
    assert caught.value.reason == "cannot-generate"
