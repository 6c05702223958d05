"""What a person sees: one line per thing, nothing of it swallowed or turned into something else."""

from __future__ import annotations

import io
import warnings

import pytest
from rich.console import Console

from factneurons.cli import console
from factneurons.runs.drive import Pace


def test_an_error_is_one_line(capsys):
    console.fail("first line\n  second line: [bold]x[/bold] :smile: a:b:c")
    assert capsys.readouterr().err == "error: first line second line: [bold]x[/bold] :smile: a:b:c\n"


def test_long_lines_are_not_wrapped(capsys):
    console.say("word " * 200)
    assert capsys.readouterr().out.count("\n") == 1


def test_results_go_to_one_place_and_notes_to_the_other(capsys):
    console.say("result")
    console.tell("note")
    assert capsys.readouterr() == ("result\n", "note\n")


@pytest.mark.parametrize(("number", "words"), [(0, "0 facts"), (1, "1 fact"), (2, "2 facts")])
def test_counted(number, words):
    assert console.counted(number, "fact") == words


def test_warnings_of_one_kind_are_shown_once_and_counted(capsys):
    with console.short_warnings():
        for number in range(3):
            warnings.warn(f"model m, prompt 'p{number}', answer 'a': off by\n0.1", stacklevel=1)
        warnings.warn("something else", RuntimeWarning, stacklevel=1)
    assert capsys.readouterr().err.splitlines() == [
        "warning: model m, prompt 'p0', answer 'a': off by 0.1",
        "warning: something else",
        "warning: model m: 2 more of this kind",
    ]


def test_warnings_are_as_before_afterwards():
    former = warnings.showwarning
    with pytest.raises(ZeroDivisionError), console.short_warnings():
        raise ZeroDivisionError
    assert warnings.showwarning is former


PACE = Pace(done=30, before=10, total=100, seconds=15.0)


def test_plain_lines_now_and_then(capsys, monkeypatch):
    monkeypatch.setattr(console, "_LINE_EVERY", -1.0)
    with console.StageProgress("locating") as progress:
        progress.update(PACE)
        progress.update(Pace(done=30, before=0, total=None, seconds=15.0))
        progress.stopping()
        progress.update(PACE)
    assert capsys.readouterr().err.splitlines() == [
        "locating: 40 of 100 facts, 2.0 facts/s, 0:30 left",
        "locating: 30 facts, 2.0 facts/s",
        "locating: 40 of 100 facts, 2.0 facts/s, 0:30 left - stopping after this batch",
    ]


def test_nothing_while_it_is_quick(capsys):
    with console.StageProgress("locating") as progress:
        progress.update(PACE)
    assert capsys.readouterr().err == ""


def test_a_bar_in_a_terminal(monkeypatch):
    screen = io.StringIO()
    terminal = Console(file=screen, force_terminal=True, width=100, markup=False, emoji=False)
    monkeypatch.setattr(console, "err", terminal)
    with console.StageProgress("locating [x]") as progress:
        progress.update(PACE)
    shown = screen.getvalue()
    assert "locating [x]" in shown
    assert "40/100" in shown
    assert "2.0 facts/s, 0:30 left" in shown


@pytest.mark.parametrize(("seconds", "clock"), [(0.4, "0:00"), (59.6, "1:00"), (61, "1:01"), (3661, "1:01:01")])
def test_clock(seconds, clock):
    assert console._clock(seconds) == clock
