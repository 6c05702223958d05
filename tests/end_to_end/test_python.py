"""From Python the same as from the command line: the same tables, resumed the same way, and nothing is printed."""

from __future__ import annotations

import subprocess
import sys

import pytest

import factneurons as fn

FEW = {"draws": 3, "unrelated": 2}


def test_four_lines_give_what_the_commands_give(gpt2, facts_file, tmp_path, run, locate, same_tables, capsys):
    assert locate(gpt2, facts_file, tmp_path / "command", "--limit", 10, "--method", "dai").code == 0
    assert run("degenerate", tmp_path / "command", "--draws", 3, "--unrelated", 2).code == 0
    capsys.readouterr()

    found = fn.run_locate(gpt2, fn.load_facts(facts_file), tmp_path / "python", limit=10, method="dai", **FEW)
    found = fn.run_degenerate(found, **FEW)
    page = fn.run_report(found)

    assert capsys.readouterr() == ("", "")
    assert page.is_file()
    same_tables(tmp_path / "command", tmp_path / "python")
    assert len(found.table("facts")) == found.summaries["locate"].counts.done == 10
    assert set(found.summaries) == {"locate", "test_knowledge", "degenerate", "test_degenerate"}

    again = run("degenerate", tmp_path / "python", "--draws", 3, "--unrelated", 2)
    assert again.code == 0
    assert "10 of them before" in again.out


def test_lines_of_text_go_to_a_callable(gpt2, facts_file, tmp_path):
    lines = []
    fn.run_locate(gpt2, facts_file, tmp_path / "run", limit=2, method="activation", progress=lines.append, **FEW)
    assert not [line for line in lines if "Traceback" in line]


@pytest.mark.parametrize("option", ["thresold", "clusterer"])
def test_an_option_that_there_is_not(option, gpt2, facts_file, tmp_path):
    with pytest.raises(fn.FactneuronsError, match=f"option is '{option}': it must be one of: method, "):
        fn.run_locate(gpt2, facts_file, tmp_path / "run", **{option: 1})
    assert not (tmp_path / "run").exists()


def test_the_package_is_a_command(tmp_path):
    done = subprocess.run([sys.executable, "-m", "factneurons", "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"factneurons {fn.__version__}\n"


LIGHT = (
    "report", "verify", "facts describe", "doctor", "pocket", "locate", "degenerate", "languages", "check", "plant"
)  # fmt: skip
FRESH = """
import sys
from factneurons.cli import main
try: main(sys.argv[1:])
except SystemExit as end: assert not end.code, end.code
assert not {"torch", "transformers"} & set(sys.modules)
"""


@pytest.mark.parametrize(
    "words", [*(f"{command} --help" for command in LIGHT), "facts describe bundled?relation=capital", "pocket list"]
)
def test_what_needs_no_model_does_not_wait_for_one(words):
    done = subprocess.run([sys.executable, "-c", FRESH, *words.split()], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
