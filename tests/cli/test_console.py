"""What a person sees: one line per thing, nothing of it swallowed or turned into something else."""

from __future__ import annotations

import warnings

import pytest

from factneurons.cli import console


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
