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


def test_control_characters_reach_no_terminal(capsys):
    hostile = "run\x1b]0;owned\x07\x1b[2J\u202egpj.\x9b31m\tname"
    console.say(hostile)
    console.tell(hostile)
    console.fail(f"{hostile}: there is no such run")
    with console.short_warnings():
        warnings.warn(hostile, stacklevel=1)
    out, err = capsys.readouterr()
    assert not set(out + err) & set("\x1b\x07\x9b\u202e\r")
    assert out == "run\\x1b]0;owned\\x07\\x1b[2J\\u202egpj.\\x9b31m\tname\n"
    assert err.count("\\x1b]0;owned") == 3


def test_what_a_message_repeats_is_cut(capsys):
    console.fail(f"prompt {'word ' * 5_000}: no blank in it")
    err = capsys.readouterr().err
    assert len(err) < 2_100
    assert err.endswith("no blank in it\n")


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
