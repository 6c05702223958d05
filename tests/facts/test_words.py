"""Whether a text names an answer, and what a word is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import factneurons as fn
from factneurons.facts.words import PIECE, accepted_names, is_one_of, is_word, names_one_of, normalised


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (" Paris.", True),
        ("the city of PARIS, which", True),
        ("Parisian food", False),
        ("New  York\u2019s mayor", True),
        ("York", False),
        ("\uff30aris", True),
        ("", False),
    ],
)
def test_names_are_whole_words_without_case_and_punctuation(text, found):
    assert names_one_of(text, ("Paris", "New York")) is found


def test_scripts_without_spaces_have_characters_as_words():
    assert names_one_of("他出生在北京市。", ("北京",))
    assert not names_one_of("京北", ("北京",))
    assert is_one_of("北京市", ("北京",))


def test_a_name_without_letters_is_never_found():
    assert not names_one_of("a - b", ("-", ""))
    assert not is_one_of("", ("", " "))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (" York, England", True),
        (" York\nand more", True),
        (" New York", False),
        (" york", False),
        (" Yorkshire", False),
        ("York", True),
    ],
)
def test_an_exact_answer_begins_the_text_letter_by_letter(text, found):
    assert is_one_of(text, ("York",)) is found


@given(st.text())
def test_pieces_hold_every_character_that_is_no_space(text):
    assert "".join(PIECE.findall(text)) == "".join(character for character in text if not character.isspace())
    assert normalised(normalised(text)) == normalised(text)


def test_the_gold_answer_is_the_first_accepted_name():
    fact = fn.Fact("f", "r", "s", "Bonn", "en", (fn.Prompt("s is in ___."),), aliases=("Bonn", "City of Bonn"))
    assert accepted_names(fact) == ("Bonn", "City of Bonn")
    assert is_word("B-")
    assert not is_word("--")
