"""Settings: one check for every record, one sentence for every refusal, one way to give them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factneurons.errors import BadSetting
from factneurons.settings import check, check_choice, check_number, option, options_of, with_options

Shade = Literal["light", "dark"]


@dataclass(frozen=True, slots=True)
class Inner:
    depth: float = option(0.5, "How deep.", above=0, below=1)

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, slots=True)
class Settings:
    method: str = option("amig", "One of: {choices}.", choices=("amig", "dai"))
    shade: Shade = option("light", "How: {choices}.")
    points: int | None = option(None, "So many.", least=1)
    share: float = option(0.7, "So much.", above=0, most=1)
    fast: bool = option(False, "Whether.")
    names: tuple[str, ...] = option(("a",), "Of: {choices}.", choices=("a", "b"))
    mix: dict[str, int] = option({"a": 1}, "How many of which.")
    inner: Inner = option(Inner(), "The inner ones.")

    def __post_init__(self) -> None:
        check(self)


@given(st.integers(max_value=0))
def test_whole_numbers_out_of_range(value):
    with pytest.raises(BadSetting) as refused:
        Settings(points=value)
    assert str(refused.value) == f"points is {value}: it must be at least 1"


@given(st.floats().filter(lambda value: not 0 < value <= 1))
def test_numbers_out_of_range(value):
    with pytest.raises(BadSetting) as refused:
        Settings(share=value)
    kind = "" if math.isfinite(value) else "a number, "
    assert str(refused.value) == f"share is {value!r}: it must be {kind}above 0 and at most 1"


@given(st.floats(min_value=0, max_value=1, exclude_min=True))
def test_numbers_within_range(value):
    assert Settings(share=value).share == value


@given(st.text().filter(lambda text: text not in ("light", "dark")))
def test_unknown_names(value):
    with pytest.raises(BadSetting) as refused:
        Settings(shade=value)
    assert str(refused.value).startswith(f"shade is {value!r}: it must be one of: light, dark")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "amg"}, "method is 'amg': it must be one of: amig, dai (did you mean 'amig'?)"),
        ({"method": None}, "method is None: it must be one of: amig, dai"),
        ({"points": 1.5}, "points is 1.5: it must be a whole number, at least 1"),
        ({"points": True}, "points is True: it must be a whole number, at least 1"),
        ({"share": "0.7"}, "share is '0.7': it must be a number, above 0 and at most 1"),
        ({"fast": "yes"}, "fast is 'yes': it must be True or False"),
        ({"names": "ab"}, "names is 'ab': it must be a tuple"),
        ({"names": ("a", "c")}, "names is 'c': it must be one of: a, b"),
        ({"mix": 3}, "mix is 3: it must be of the type dict"),
        ({"inner": 3}, "inner is 3: it must be of the type Inner"),
    ],
)
def test_the_one_sentence(options, message):
    with pytest.raises(BadSetting) as refused:
        Settings(**options)
    assert str(refused.value) == message


def test_every_field_is_checked():
    for each in options_of(Settings):
        with pytest.raises(BadSetting, match=f"^{each.name} is "):
            replace(Settings(), **{each.name: object()})


def test_options_say_what_the_fields_are():
    method, shade, points, share, *_ = options_of(Settings)
    assert (method.kind, method.default, method.choices) == (str, "amig", ("amig", "dai"))
    assert method.help == "One of: amig, dai."
    assert (shade.kind, shade.choices, shade.help) == (str, ("light", "dark"), "How: light, dark.")
    assert (points.kind, points.optional, points.limits) == (int, True, {"least": 1})
    assert (share.kind, share.optional, share.default) == (float, False, 0.7)


def test_nothing_leaks_into_the_next_record():
    Settings().mix["a"] = 99
    assert Settings().mix == {"a": 1}


def test_a_record_or_its_fields():
    given_whole = Settings(points=3)
    assert with_options(Settings, given_whole, {}) is given_whole
    assert with_options(Settings, None, {"points": 3}) == given_whole
    assert with_options(Settings, None, {}) == Settings()


def test_not_a_record_and_its_fields():
    with pytest.raises(BadSetting, match=r"^settings are given and points too"):
        with_options(Settings, Settings(), {"points": 3})


def test_options_that_there_are_not():
    with pytest.raises(BadSetting, match=r"^option is 'point': it must be one of: method, .* mean 'points'"):
        with_options(Settings, None, {"point": 3})


def test_values_outside_records():
    check_choice("feature", "a", ("a", "b"))
    check_number("draws", 1, whole=True, least=1)
    with pytest.raises(BadSetting, match=r"^draws is 0: it must be at least 1$"):
        check_number("draws", 0, whole=True, least=1)
    with pytest.raises(BadSetting, match=r"^level is 1: it must be above 0 and below 1$"):
        check_number("level", 1, above=0, below=1)
