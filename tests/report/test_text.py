"""Words for codes."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from factneurons.degeneracy.types import REASONS
from factneurons.report import text


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_has_words(reason):
    assert " " in text.no_degenerate(reason)


def test_an_unknown_reason_is_shown_as_it_is():
    assert text.no_degenerate("brand-new") == "brand-new"


@pytest.mark.parametrize(
    ("code", "halving", "parts"),
    [
        ("distinct", 0.93, ["2 groups", "they are distinct components (halving test: 0.930)."]),
        ("arbitrary", -0.2, ["interchangeable (halving test: \N{MINUS SIGN}0.200)."]),
        ("distinct", None, ["they are distinct components."]),
        ("undecided", None, ["cannot be told"]),
        ("no-groups", None, ["No degenerate knowledge neurons"]),
    ],
)
def test_groupings(code, halving, parts):
    sentence = text.grouping(code, 2, halving)
    assert all(part in sentence for part in parts)


def test_commands_quote_the_folder():
    assert text.command("degenerate", Path("my runs/a")) == "factneurons degenerate 'my runs/a'"
    assert text.more_facts(Path("runs/a"), 90) == "factneurons report runs/a --max-facts 90"
    assert "--out runs/a" in text.command("test_knowledge", Path("runs/a"))


@pytest.mark.parametrize("source", ["data/facts.jsonl:7", "C:\\data\\facts.jsonl:7", "facts.jsonl:7"])
def test_a_place_has_no_folders(source):
    assert text.place(source) == "facts.jsonl:7"


def told(count=4, thing="subject", **given):
    values = {"verdict": "cannot tell", "smallest_p": 0.125, "enough": 6, **given}
    return text.could_tell(SimpleNamespace(**values), count, thing)


def test_cannot_tell_says_whether_it_could_have_been_told():
    assert told() == "could not have been told: with 4 subjects the smallest p possible is 0.125; 6 could do"
    assert told(1, "model", enough=None) == "could not have been told: with 1 model the smallest p possible is 0.125"
    assert "as small as 0.004: a clear difference would" in told(9, smallest_p=0.004)
    assert told(0, smallest_p=None) == "no subject was measured"
    assert told(verdict="holds") == told(verdict="cannot tell by design") == ""


def test_a_verdict_on_storage_is_told_in_words():
    assert text.stored("single") == "one group, which carries nothing else"
    assert text.stored("of a newer version") == "of a newer version"
