"""Words for codes."""

from pathlib import Path

import pytest

from factneurons.degeneracy.types import REASONS
from factneurons.report import text


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_has_words(reason):
    assert " " in text.no_degenerate(reason)


def test_an_unknown_reason_is_shown_as_it_is():
    assert text.no_degenerate("brand-new") == "brand-new"


@pytest.mark.parametrize(
    ("code", "p", "possible", "parts"),
    [
        ("distinct", 0.0099, 4000.0, ["it matters", "about 1 of 100 draws or fewer", "0.010"]),
        ("arbitrary", 0.34, 4000.0, ["interchangeable", "34 of 100 draws", "0.340"]),
        ("arbitrary", 0.34, 3.0, ["only 3 possible groupings"]),
        ("distinct", None, None, ["not compared"]),
        ("no-groups", None, None, ["No degenerate knowledge neurons"]),
    ],
)
def test_groupings(code, p, possible, parts):
    sentence = text.grouping(code, 2, p, possible)
    assert all(part in sentence for part in parts)
    assert ("groupings" in sentence) == (possible == 3.0)


def test_interchangeable_where_half_of_every_group_will_do():
    sentence = text.grouping("arbitrary", 2, 0.01, 4000.0, drop_all=0.9, drop_halves=0.1)
    assert "half of each group will do" in sentence
    assert "−10.0%" in sentence
    assert "−90.0%" in sentence
    assert "random groups of the fact's neurons" in text.grouping(
        "arbitrary", 2, 0.3, 4000.0, drop_all=0.9, drop_halves=0.1
    )


def test_commands_quote_the_folder():
    assert text.command("degenerate", Path("my runs/a")) == "factneurons degenerate 'my runs/a'"
    assert text.more_facts(Path("runs/a"), 90) == "factneurons report runs/a --max-facts 90"
    assert "--out runs/a" in text.command("test_knowledge", Path("runs/a"))


@pytest.mark.parametrize("source", ["data/facts.jsonl:7", "C:\\data\\facts.jsonl:7", "facts.jsonl:7"])
def test_a_place_has_no_folders(source):
    assert text.place(source) == "facts.jsonl:7"
