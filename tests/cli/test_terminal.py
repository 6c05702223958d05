"""What a person sees while a run is made: a bar in a terminal, lines elsewhere, results of every stage."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from factneurons.cli import console
from factneurons.cli.terminal import Terminal
from factneurons.runs.drive import Pace
from factneurons.stages import display

PACE = Pace(done=30, before=10, total=100, seconds=15.0)


def test_a_bar_in_a_terminal(monkeypatch):
    screen = io.StringIO()
    terminal = Console(file=screen, force_terminal=True, width=100, markup=False, emoji=False)
    monkeypatch.setattr(console, "err", terminal)
    with Terminal().progress("locating [x]") as progress:
        progress.update(PACE)
    shown = screen.getvalue()
    assert "locating [x]" in shown
    assert "40/100" in shown
    assert "2.0 facts/s, 0:30 left" in shown


def test_lines_elsewhere(capsys, monkeypatch):
    monkeypatch.setattr(display, "_LINE_EVERY", -1.0)
    with Terminal().progress("locating") as progress:
        progress.stopping()
        progress.update(PACE)
    assert capsys.readouterr() == (
        "",
        "locating: 40 of 100 facts, 2.0 facts/s, 0:30 left - stopping after this batch\n",
    )


def test_notes_go_to_standard_error(capsys):
    Terminal().note("resumed")
    assert capsys.readouterr() == ("", "resumed\n")


@pytest.mark.parametrize(("stage", "shown"), [("locate", ["run 7"]), ("degenerate", [])])
def test_the_results_of_a_stage(stage, shown):
    lines = []
    run = SimpleNamespace(name="run", summaries={"locate": 7, "degenerate": 8})
    Terminal({"locate": lambda run, summary: lines.append(f"{run.name} {summary}")}).finished(stage, run)
    assert lines == shown
