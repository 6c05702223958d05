"""Perturbed questions: one word changed, the subject, the date and the blank as they were."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

import factneurons as fn
from factneurons.errors import BadSetting
from factneurons.facts.perturbing import ADDED, REPLACED, perturb


def fact(text, subject="Ada Vale", date=None, language="en"):
    return fn.Fact("f1", "r", subject, "Foo", language, (fn.Prompt(text),), date=date)


DATED = fact("In 2014, the player Ada Vale often plays for ___.", date="2014")


def texts(of, edit, **options):
    return [each.perturbed.text for each in perturb(of, edits=(edit,), **options)]


def test_every_place_of_a_dated_question():
    many = {"versions": 99}
    assert sorted(texts(DATED, "replace", **many)) == [
        "In 2014, [REPLACED] player Ada Vale often plays for ___.",
        "In 2014, the [REPLACED] Ada Vale often plays for ___.",
        "In 2014, the player Ada Vale [REPLACED] plays for ___.",
        "In 2014, the player Ada Vale often [REPLACED] for ___.",
    ]
    assert sorted(texts(DATED, "delete", **many)) == [
        "In 2014, player Ada Vale often plays for ___.",
        "In 2014, the Ada Vale often plays for ___.",
        "In 2014, the player Ada Vale often for ___.",
        "In 2014, the player Ada Vale plays for ___.",
    ]
    added = texts(DATED, "add", **many)
    assert len(added) == 8
    assert "In [ADDED] 2014, the player Ada Vale often plays for ___." in added
    assert "In 2014, the player Ada Vale often plays for [ADDED] ___." in added
    assert not any("Ada [ADDED] Vale" in each for each in added)


def test_the_authors_rule_hits_any_word_between_the_first_and_the_last():
    found = texts(DATED, "delete", rule="authors", versions=99)
    assert "In the player Ada Vale often plays for ___." in found
    assert "In 2014, the player Vale often plays for ___." in found
    assert len(found) == 7
    assert len(texts(DATED, "delete", rule="authors")) == 1
    assert "In 2014, the player Ada [ADDED] Vale often plays for ___." in texts(
        DATED, "add", rule="authors", versions=99
    )


def test_characters_are_words_in_scripts_without_spaces():
    found = texts(fact("法国的首都是___。", subject="法国", language="zh"), "delete", versions=99)
    assert sorted(found) == ["法国的都是___。", "法国的首是___。", "法国首都是___。"]
    assert "法国的[ADDED]首都是___。" in texts(fact("法国的首都是___。", "法国", language="zh"), "add", versions=99)


def test_versions_are_drawn_by_name_whatever_else_is_perturbed():
    other = fact("Once more the very same Ada Vale of old sings in ___.")
    together = [each for each in perturb([other, DATED]) if each.fact is DATED]
    assert together == perturb(DATED)
    assert [each.version for each in together if each.edit == "add"] == list(range(5))
    few, many = (texts(DATED, "add", versions=number) for number in (2, 4))
    assert many[:2] == few
    assert texts(DATED, "add", seed=1) != texts(DATED, "add")


def test_a_question_of_too_few_words_has_no_version():
    assert perturb(fact("Ada Vale ___."), edits=("replace", "delete")) == []


def test_bad_options_are_told():
    with pytest.raises(BadSetting, match="did you mean 'edits'"):
        perturb(DATED, edit=("add",))


_WORDS = st.lists(
    st.sampled_from(["Ada", "Vale", "in", "2014,", "the", "the", "\u5317", "x-y", "-", "(then)"]), max_size=9
)


@given(_WORDS, _WORDS, st.sampled_from(["replace", "add", "delete"]), st.booleans())
def test_what_is_spared_stays(left, right, edit, blank_close):
    text = " ".join([*left, "___" + ("." if blank_close else ""), *right])
    asked = fact(text, date="2014")
    names = [re.compile(re.escape(name)) for name in ("Ada Vale", "2014", "___")]
    found = perturb(asked, edits=(edit,), versions=99)
    assert len({each.perturbed for each in found}) == len(found)
    for each in found:
        new = each.perturbed.text
        assert new != text
        for name in names:
            assert len(name.findall(new)) >= len(name.findall(text))
        mark = {"replace": REPLACED, "add": ADDED}.get(edit)
        if mark:
            assert new.count(mark) == 1
        if edit == "add":
            assert new.replace(" " + ADDED, "").replace(ADDED, "") == text
