from __future__ import annotations

import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factneurons.errors import BadFact
from factneurons.facts.types import BLANK, MASK_TOKENS, Fact, Prompt

PLAIN = st.text(st.characters(exclude_characters="_", exclude_categories=["Cs"]), max_size=20)
MARKS = (BLANK, "____", *MASK_TOKENS)


def fact(**changes: object) -> Fact:
    fields: dict[str, object] = {
        "id": "capital/fooland",
        "relation": "capital",
        "subject": "Fooland",
        "answer": "Barville",
        "language": "en",
        "prompts": (Prompt("The capital of Fooland is ___."),),
    }
    return Fact(**{**fields, **changes})  # type: ignore[arg-type]


@settings(deadline=None)
@given(PLAIN, PLAIN, st.sampled_from(MARKS))
def test_every_mark_is_a_blank_and_left_and_right_are_what_is_around_it(left: str, right: str, mark: str) -> None:
    if any(each in left + right for each in MASK_TOKENS):
        return
    prompt = Prompt.parse(left + mark + right)
    assert (prompt.left, prompt.right) == (left, right)
    assert prompt.filled("Paris") == f"{left}Paris{right}"


@settings(deadline=None)
@given(st.lists(st.sampled_from(MARKS), min_size=2, max_size=3), st.lists(PLAIN, min_size=4, max_size=4))
def test_two_blanks_are_refused_even_side_by_side(marks: list[str], texts: list[str]) -> None:
    separated = "".join(f"{text} {mark} " for text, mark in zip(texts, marks, strict=False))
    for text in (separated, "".join(marks[:2]) if MASK_TOKENS[0] in marks[:2] else separated):
        with pytest.raises(BadFact, match=r"exactly one blank|three underscores"):
            Prompt.parse(text)


def test_a_text_without_blank_gets_one_at_its_end_only_when_asked_to() -> None:
    assert Prompt.parse("The capital of France is ", blank_at_end=True).text == "The capital of France is ___"
    assert Prompt.parse("___ is it", blank_at_end=True).text == "___ is it"
    with pytest.raises(BadFact, match="has none"):
        Prompt.parse("The capital of France is")


@pytest.mark.parametrize(
    "mark", ["_", "__", "[Y]", "[X]", "{}", "{obj}", "<blank>", "[BLANK]", "<mask_1>", "_X_", "....", "[ ]"]
)
def test_the_blank_of_somebody_else_is_asked_about(mark: str) -> None:
    with pytest.raises(BadFact, match="is its blank, write ___ instead") as caught:
        Prompt.parse(f"The capital of France is {mark}.", blank_at_end=True)
    assert f"blank={mark}" in str(caught.value)
    assert Prompt.parse(f"The capital of France is {mark}.", mark).text == "The capital of France is ___."


@pytest.mark.parametrize(
    "text", ["snake_case is", "Call __init__ with", "It is 3 < 4 > 2, so", "And then...", "See [1]:"]
)
def test_what_is_no_blank_is_not_taken_for_one(text: str) -> None:
    assert Prompt.parse(text, blank_at_end=True).text == f"{text} ___"


def test_a_slot_that_nothing_was_put_in_is_refused() -> None:
    with pytest.raises(BadFact, match=r"\[X\] is a slot that nothing was put in"):
        Prompt.parse("[X] was born in ___.")


def test_a_blank_of_another_length_must_be_parsed() -> None:
    assert Prompt.parse("It is ______.").text == "It is ___."
    with pytest.raises(BadFact, match="three underscores"):
        Prompt("It is ______.")


def test_an_underscore_beside_a_mask_token_is_not_taken_for_a_part_of_the_blank() -> None:
    with pytest.raises(BadFact):
        Prompt.parse("a_[MASK]")


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("It is ___", "end"),
        ("It is ___ .", "end"),
        ("它是___。”", "end"),
        ("Is it? ___", "end"),
        ("___", "end"),
        ("___ is it.", "start"),
        ("  ___ is it.", "start"),
        ("In 2014, ___ was it.", "inside"),
        ("It is ___ 2", "inside"),
    ],
)
def test_the_position_of_the_blank(text: str, position: str) -> None:
    assert Prompt(text).blank_position == position


@pytest.mark.parametrize("name", ["id", "relation", "subject", "answer", "language"])
def test_an_empty_field_is_refused(name: str) -> None:
    with pytest.raises(BadFact, match=f"{name!r} is empty"):
        fact(**{name: " "})


def test_a_fact_without_prompt_is_refused() -> None:
    with pytest.raises(BadFact, match="no prompt"):
        fact(prompts=())


def test_facts_can_be_put_in_sets_and_the_source_is_not_part_of_them() -> None:
    one, other = fact(translations={"zh": "x"}, source="a:1"), fact(translations={"zh": "x"}, source="b:2")
    assert one == other
    assert len({one, other}) == 1


@pytest.mark.parametrize("name", ["id", "answer", "prompts", "date", "aliases", "wrong_answers"])
def test_the_key_changes_with_the_content(name: str) -> None:
    changed = {"prompts": (Prompt("So ___"),), "aliases": ("A",), "wrong_answers": ("A",)}.get(name, "other")
    assert fact().key == fact(source="elsewhere:1").key
    assert fact().key != fact(**{name: changed}).key


def test_a_bad_fact_survives_pickling() -> None:
    with pytest.raises(BadFact) as caught:
        Prompt("no blank")
    copy = pickle.loads(pickle.dumps(caught.value))
    assert str(copy) == str(caught.value)
    assert copy.reason == "blank_count"
