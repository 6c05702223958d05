"""What a terminal and a notebook show is plain text there and nothing else."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factneurons.asking.parts import (
    CELL,
    Part,
    as_html,
    as_text,
    bar,
    change,
    middle_and_range,
    probability,
    visible,
    written,
)
from factneurons.models.types import Written


class Seen(HTMLParser):
    """The elements, attributes and text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text += data


@given(st.text())
def test_no_text_becomes_an_element_or_an_attribute(text):
    page = as_html(text, [Part(text, (text,), ((text,), (text,)), text)], [text])
    seen = Seen(page)
    assert set(seen.tags) == {"div", "p", "b", "table", "caption", "thead", "tbody", "tr", "th", "td"}
    assert seen.tags.count("td") == 2
    assert set(seen.attributes) == {("scope", "col"), ("style", CELL)}


@given(st.text())
def test_no_part_steers_a_terminal(text):
    part = Part(text, (text,), ((text,),), text)
    assert all(each.isprintable() for each in (part.title, *part.head, *part.rows[0], part.note))
    if text.isprintable():
        assert part.title == text


def test_without_html_it_is_text_in_columns():
    rows = (("1", "巴黎", "x"), ("222", "Paris", "y"))
    text = as_text("a\x1b title", [Part("Table", ("n", "word", "z"), rows, "A note.")], ["The end."])
    assert text.splitlines() == [
        "a\N{REPLACEMENT CHARACTER} title",
        "",
        "Table",
        "n     word    z",
        "1     巴黎    x",
        "222   Paris   y",
        "A note.",
        "",
        "The end.",
    ]


def test_an_escape_sequence_is_shown_and_not_obeyed():
    assert visible("a\x1b[2Jb\u202ec") == "a\N{REPLACEMENT CHARACTER}[2Jb\N{REPLACEMENT CHARACTER}c"


@pytest.mark.parametrize(
    ("value", "shown"), [(0.93512, "0.935"), (0.0012, "0.001"), (0.0002, "2.0e-04"), (0.0, "0.000")]
)
def test_probabilities(value, shown):
    assert probability(value) == shown


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [(0.5, 0.25, "-50.0%"), (0.5, 0.75, "+50.0%"), (1e-6, 1e-5, "+2.3 nats"), (0.0, 0.5, "-"), (1e-6, 0.0, "-")],
)
def test_a_relative_change_is_told_of_no_tiny_probability(before, after, shown):
    assert change(before, after) == shown


def test_draws_are_their_mean_and_their_range():
    assert middle_and_range([0.2, 0.4, 0.9]) == "0.500 (0.200 to 0.900)"
    assert middle_and_range([-1.0, 3.0], signed=True) == "+1.00 (-1.00 to +3.00)"
    assert middle_and_range([]) == "-"


def test_a_bar_is_as_long_as_its_share():
    assert [len(bar(share)) for share in (0, 1e-6, 0.5, 1)] == [0, 1, 12, 24]


def test_what_is_written_is_named_or_a_dash():
    assert written(Written((" a", "b"), ("c",))) == ("a, b", "c")
    assert written(None) == ("-", "-")
