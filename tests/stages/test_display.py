"""What is shown of a run from Python: nothing, or lines of text."""

from __future__ import annotations

import pytest

from factneurons.runs.drive import Pace
from factneurons.stages import display

PACE = Pace(done=30, before=10, total=100, seconds=15.0)


def test_lines_now_and_then(monkeypatch):
    monkeypatch.setattr(display, "_LINE_EVERY", -1.0)
    lines = []
    with display.display_of(lines.append).progress("locating") as progress:
        progress.update(PACE)
        progress.update(Pace(done=30, before=0, total=None, seconds=15.0))
        progress.stopping()
        progress.update(PACE)
    assert lines == [
        "locating: 40 of 100 facts, 2.0 facts/s, 0:30 left",
        "locating: 30 facts, 2.0 facts/s",
        "locating: 40 of 100 facts, 2.0 facts/s, 0:30 left - stopping after this batch",
    ]


def test_nothing_while_it_is_quick():
    lines = []
    with display.display_of(lines.append).progress("locating") as progress:
        progress.update(PACE)
    assert lines == []


def test_notes_go_where_lines_go():
    lines = []
    display.display_of(lines.append).note("resumed")
    assert lines == ["resumed"]


def test_none_shows_nothing(capsys, monkeypatch):
    monkeypatch.setattr(display, "_LINE_EVERY", -1.0)
    silent = display.display_of(None)
    silent.note("resumed")
    with silent.progress("locating") as progress:
        progress.update(PACE)
    assert capsys.readouterr() == ("", "")


def test_a_display_is_taken_as_it_is():
    own = display.Lines(print)
    assert display.display_of(own) is own


@pytest.mark.parametrize(("seconds", "clock"), [(0.4, "0:00"), (59.6, "1:00"), (61, "1:01"), (3661, "1:01:01")])
def test_clock(seconds, clock):
    assert display.clock(seconds) == clock
