"""What is saved is loaded again, whatever is in it, and a file of another form is refused in one line."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factneurons.errors import BadSetting
from factneurons.facts.saved import Saved
from factneurons.facts.types import Prompt


class Place(NamedTuple):
    layer: int
    index: int


@dataclass(frozen=True, slots=True)
class Thing(Saved):
    name: str
    sure: bool
    count: int
    share: float
    kind: Literal["one", "two"]
    places: tuple[Place, ...]
    words: tuple[tuple[int, ...], ...]
    prompt: Prompt
    pair: tuple[Place, Place]
    some: frozenset[Place]
    said: float | None = None
    numbers: Mapping[str, float] = field(default_factory=dict)


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)
things = st.builds(
    Thing,
    name=texts,
    sure=st.booleans(),
    count=st.integers(),
    share=st.floats(allow_nan=False),
    kind=st.sampled_from(["one", "two"]),
    places=st.lists(st.builds(Place, st.integers(0, 9), st.integers(0, 9)), max_size=3).map(tuple),
    words=st.lists(st.lists(st.integers(0, 9), max_size=2).map(tuple), max_size=3).map(tuple),
    prompt=st.just(Prompt("a ___ b")),
    pair=st.tuples(st.builds(Place, st.integers(0, 9), st.integers(0, 9)), st.just(Place(0, 1))),
    some=st.frozensets(st.builds(Place, st.integers(0, 9), st.integers(0, 9)), max_size=3),
    said=st.none() | st.floats(allow_nan=False),
    numbers=st.dictionaries(texts, st.floats(allow_nan=False), max_size=2),
)
PAIR = (Place(0, 1), Place(2, 3))
THING = Thing(
    "é",
    True,
    3,
    math.inf,
    "one",
    (Place(1, 2),),
    ((0, 1), ()),
    Prompt("a ___"),
    PAIR,
    frozenset(PAIR),
    None,
    {"x": 0.1},
)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("saved") / "thing.json"


@given(things)
def test_what_is_saved_is_loaded(file, thing):
    again = Thing.load(thing.save(file))
    assert again == thing
    assert [type(each) for each in again.places] == [Place] * len(thing.places)
    assert file.read_text("utf-8") == thing.to_json() + "\n"


def test_what_is_no_number_stays_so(file):
    again = Thing.load(
        Thing("", False, 0, math.nan, "two", (), (), Prompt("___"), PAIR, frozenset(), -math.inf).save(file)
    )
    assert math.isnan(again.share)
    assert again.said == -math.inf


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"count": "3"}, r"value\.count: it must be int, not '3'"),
        ({"count": True}, r"value\.count: it must be int"),
        ({"sure": 1}, r"value\.sure: it must be bool"),
        ({"share": "1"}, r"value\.share: it must be a number"),
        ({"kind": "three"}, r"value\.kind: it must be one of one, two"),
        ({"places": [[1]]}, r"value\.places\[0\]: it must be \[layer, index\]"),
        ({"places": {}}, r"value\.places: it must be list"),
        ({"pair": [[0, 1]]}, r"value\.pair: it must be a list of 2"),
        ({"some": [[0]]}, r"value\.some\[0\]: it must be \[layer, index\]"),
        ({"words": [["a"]]}, r"value\.words\[0\]\[0\]: it must be int"),
        ({"prompt": {"text": "no blank"}}, "exactly one blank"),
        ({"numbers": {"x": None}}, r"value\.numbers\.x: it must be a number"),
        ({"more": 1}, "missing or unknown: 'more'"),
    ],
)
def test_a_field_that_is_wrong_is_named(file, change, said):
    record = json.loads(THING.to_json())
    file.write_text(json.dumps({**record, "value": {**record["value"], **change}}), encoding="utf-8")
    with pytest.raises(BadSetting, match=said) as refused:
        Thing.load(file)
    assert str(refused.value).startswith(f"{file}: ")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no valid JSON"),
        ("[1]", "its format is none, not 'factneurons Thing 1'"),
        ('{"x": 1}', "its format is none"),
        ('{"format": "factneurons truth 1", "value": {}}', "its format is 'factneurons truth 1'"),
        ('{"format": "factneurons Thing 1"}', "its format is"),
        ('{"format": "factneurons Thing 1", "value": {}}', "missing or unknown: 'count'"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_a_file_of_another_form_is_refused_in_one_line(file, text, said):
    file.write_text(text, encoding="utf-8")
    with pytest.raises(BadSetting, match=said) as refused:
        Thing.load(file)
    assert "\n" not in str(refused.value)


def test_places_that_are_no_files(tmp_path):
    with pytest.raises(BadSetting, match="cannot be read: No such file"):
        Thing.load(tmp_path / "none.json")
    with pytest.raises(BadSetting, match="cannot be written: No such file"):
        THING.save(tmp_path / "none" / "thing.json")


def test_a_save_that_fails_leaves_what_was_there(tmp_path, monkeypatch):
    path = THING.save(tmp_path / "thing.json")
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(BadSetting, match="No space left on device"):
        Thing("", False, 0, 0.0, "two", (), (), Prompt("___"), PAIR, frozenset()).save(path)
    assert Thing.load(path) == THING
    assert list(tmp_path.iterdir()) == [path]
