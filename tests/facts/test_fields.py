from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factneurons.facts.fields import Fields, check_text, kind
from factneurons.facts.problems import REASONS, BadRecord

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def refusal(read):
    """Why a field cannot be read, "" if it can."""
    try:
        read("it")
    except BadRecord as problem:
        return problem.reason
    return ""


@given(value=JSON)
def test_every_json_value_has_a_name_in_words(value):
    assert kind(value) in {"an object", "a list", "a text", "true or false", "a number", "null"}


@given(value=JSON | st.sampled_from(["a\0", "\ud800", "\n "]))
def test_a_text_is_given_back_or_refused_with_a_reason(value):
    good = isinstance(value, str) and value.strip() and not set(value) & {"\0", "\ud800"}
    if good:
        assert check_text(value, "name") == value
    else:
        with pytest.raises(BadRecord, match="'name'") as caught:
            check_text(value, "name")
        assert caught.value.reason in REASONS


@pytest.mark.parametrize("read", ["value", "text", "identifier", "items", "texts", "inner", "inners"])
def test_a_missing_field_is_named(read):
    with pytest.raises(BadRecord, match="the field 'birth' is missing") as caught:
        getattr(Fields({"death": 1}), read)("birth")
    assert caught.value.reason == "missing_field"


@given(value=JSON)
def test_a_field_is_of_the_asked_type_or_refused(value):
    fields = Fields({"it": value})
    expected = {
        "text": isinstance(value, str),
        "items": isinstance(value, list),
        "inner": isinstance(value, dict),
        "identifier": isinstance(value, str) or type(value) is int,
        "texts": isinstance(value, list) and all(isinstance(each, str) for each in value),
        "inners": isinstance(value, list) and all(isinstance(each, dict) for each in value),
    }
    for read, right in expected.items():
        refused = refusal(getattr(fields, read))
        assert refused != "wrong_type" if right else refused


def test_a_whole_number_is_an_identifier_and_true_is_none():
    assert Fields({"id": 7}).identifier("id") == Fields({"id": "7"}).identifier("id") == "7"
    with pytest.raises(BadRecord, match="must be a text, not true or false"):
        Fields({"id": True}).identifier("id")


def test_null_is_as_good_as_missing_where_a_field_is_optional():
    for fields in (Fields({}), Fields({"date": None, "aliases": None})):
        assert "date" not in fields
        assert fields.text_or("date", "never") == "never"
        assert fields.texts_or_none("aliases") == ()


def test_a_field_of_a_field_is_told_with_its_whole_name():
    fields = Fields({"a": {"b": {"c": 1}}, "list": [{"c": 1}]})
    with pytest.raises(BadRecord, match=r"the field 'a\.b\.c' must be a text, not a number: 1"):
        fields.inner("a").inner("b").text("c")
    with pytest.raises(BadRecord, match=r"the field 'list\.c' must be"):
        fields.inners("list")[0].text("c")
    with pytest.raises(BadRecord, match=r"the field 'a' must be an object, not a list"):
        Fields({"a": []}).inner("a")
    with pytest.raises(BadRecord, match="a record must be an object, not null"):
        Fields(None)


def test_notes_are_allowed_and_other_unknown_fields_are_not():
    fields = Fields(json.loads('{"id": 1, "_note": 2, "ID": 3}'))
    assert fields.names() == ("id", "_note", "ID")
    fields.only({"id", "ID"})
    with pytest.raises(BadRecord, match="no field is called 'ID'; valid are date, id"):
        fields.only({"id", "date"})
