"""Which command is meant, and how everything that can go wrong ends: one line, and a code."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module

import pytest

import factneurons
from factneurons.cli.app import COMMANDS, application, run
from factneurons.errors import BadSetting


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_a_function_of_its_name_or_a_group(name):
    module = import_module(f"factneurons.cli.{COMMANDS[name].module}")
    assert hasattr(module, "commands") or callable(getattr(module, name))
    assert COMMANDS[name].summary.endswith((".", "?"))


def test_only_the_wanted_command_is_made_in_full():
    callbacks = {
        each.name: each.callback.__module__ for each in application("verify").registered_commands if each.callback
    }
    assert callbacks.pop("verify") == "factneurons.cli.verify"
    assert set(callbacks.values()) == {"factneurons.cli.app"}


def test_the_version_and_the_list_of_commands(command):
    assert command("--version") == ([f"factneurons {factneurons.__version__}"], "", 0)
    lines, err, code = command()
    assert (err, code) == ("", 0)
    text = "\n".join(lines)
    assert all(name in text for name in COMMANDS)


@pytest.mark.parametrize(
    ("line", "found"),
    [("lo", "locate"), ("locate --metho", "--method"), ("experiment E1", "E14"), ("nonsense --he", "")],
)
def test_a_shell_is_told_how_a_word_goes_on(line, found, command, monkeypatch):
    words = f"factneurons {line}"
    monkeypatch.setenv("_FACTNEURONS_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
    lines, err, code = command()
    assert (err, code) == ("", 0)
    assert found in lines if found else "locate" not in lines


@pytest.mark.parametrize("words", [["locat"], ["verify"], ["verify", "--nonsense", "x"], ["--nonsense"]])
def test_wrong_words_are_one_line_with_where_the_help_is(words, command):
    lines, err, code = command(*words)
    assert (lines, code) == ([], 2)
    assert err.count("\n") == 1
    assert err.startswith("error: ")
    assert "(help: factneurons" in err


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (BadSetting("the seed is odd"), 2, "error: the seed is odd\n"),
        (OSError(13, "Permission denied", "/locked/x"), 2, "error: /locked/x: Permission denied\n"),
        (OSError("a disk is gone"), 2, "error: a disk is gone\n"),
        (KeyboardInterrupt(), 130, "error: stopped\n"),
    ],
)
def test_what_is_thrown_ends_with_one_line(error, code, said, command, monkeypatch):
    def fail(*_):
        raise error

    monkeypatch.setattr("factneurons.runs.store.Run.open", fail)
    assert command("verify", "x") == ([], said, code)


def test_a_fault_of_the_program_is_not_hidden(monkeypatch):
    def fail(*_):
        raise ZeroDivisionError

    monkeypatch.setattr("factneurons.runs.store.Run.open", fail)
    with pytest.raises(ZeroDivisionError):
        run(["verify", "x"])


def test_a_reader_who_left_ends_it_quietly(monkeypatch):
    def fail(*_):
        raise BrokenPipeError

    monkeypatch.setattr("factneurons.cli.app._run", fail)
    monkeypatch.setattr(os, "dup2", lambda *_: None)
    with pytest.raises(SystemExit) as end:
        run([])
    assert end.value.code == 141


@pytest.mark.skipif(os.name == "nt", reason="a shell of Unix closes the streams")
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_process_without_its_standard_streams(closed, tmp_path):
    """As a service may start one: it works, and no file that it opens is taken for its output."""
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n"
        "from factneurons.cli import main\n"
        "try:\n"
        "    main(['facts', 'describe', 'bundled?relation=capital'])\n"
        "finally:\n"
        "    (file := open(sys.argv[1], 'w')).write(str(file.fileno()))\n",
        encoding="utf-8",
    )
    number = tmp_path / "number"
    done = subprocess.run(["sh", "-c", f'"$0" "$@" {closed}', sys.executable, script, number], check=False)
    assert done.returncode == 0
    assert int(number.read_text()) > 2


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no disk that is always full")
def test_output_that_cannot_be_written_is_one_line():
    done = subprocess.run(
        f"'{sys.executable}' -m factneurons facts describe bundled > /dev/full",
        shell=True, stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "No space left on device" in done.stderr
