import pytest
from hypothesis import given
from hypothesis import strategies as st

from factneurons.errors import NotAskable
from factneurons.factcheck.texts import FRAMES, complex_prompts
from factneurons.facts.types import Prompt


@given(st.sampled_from(sorted(FRAMES)), st.sampled_from(["France", "法国", "{prompt}"]), st.integers(0, 5))
def test_subject_and_blank_are_kept(language, subject, seed):
    prompt = Prompt(f"About {subject}: ___.")
    found = list(complex_prompts(prompt, subject, language, seed=seed))
    assert len(found) == len(FRAMES[language])
    for each in found:
        assert prompt.text in each.text
        assert each.text.count(subject) >= 2
    assert found == list(complex_prompts(prompt, subject, language, seed=seed))


def test_another_language_has_none():
    assert list(complex_prompts(Prompt("Où est ___?"), "France", "fr")) == []


@pytest.mark.parametrize("language", sorted(FRAMES))
def test_causal_models_have_several_frames(gpt2, language):
    asked = 0
    for prompt in complex_prompts(Prompt("The capital of France is ___."), "France", language):
        try:
            gpt2.query(prompt, "Paris")
            asked += 1
        except NotAskable:
            continue
    assert asked >= 3
