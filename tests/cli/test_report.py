"""`factneurons report`: the command hands over what it was given, and prints where the page is."""

from __future__ import annotations

import pytest

from factneurons.facts.types import Fact, Prompt
from factneurons.runs.manifest import DataIdentity, Manifest, ModelIdentity
from factneurons.runs.skips import Skip
from factneurons.runs.store import Run

FACT = Fact("a", "capital", "France", "Paris", "en", (Prompt("The capital of France is ___."),))


@pytest.fixture
def folder(tmp_path):
    """A run of one fact that could not be asked."""
    manifest = Manifest.for_stage(
        "locate", settings={}, seed=0, command="factneurons locate",
        model=ModelIdentity("pocket-gpt2", {}, "float32", "cpu"), data=DataIdentity("facts.jsonl", ""),
    )  # fmt: skip
    with Run.create_or_resume(tmp_path / "run", manifest, "locate") as made:
        made.commit("locate", [FACT], {}, [Skip.of(FACT, "no-prompt", "none")])
    return tmp_path / "run"


def test_the_page_is_written_where_it_is_said(folder, command, tmp_path):
    assert command("report", folder) == ([str(folder / "report.html")], "", 0)
    assert command("report", folder, "--out", tmp_path / "page.html") == ([str(tmp_path / "page.html")], "", 0)
    pages = [(folder / "report.html").read_text("utf-8"), (tmp_path / "page.html").read_text("utf-8")]
    assert all(page.startswith("<!doctype html>") or page.startswith("<!DOCTYPE html>") for page in pages)


@pytest.mark.parametrize("options", [["--max-facts", "-1"], ["--max-facts", "many"]])
def test_bad_options_are_one_line(options, folder, command):
    lines, err, code = command("report", folder, *options)
    assert (lines, code) == ([], 2)
    assert err.count("\n") == 1
    assert not (folder / "report.html").exists()


def test_what_is_no_run_has_no_page(command, tmp_path):
    lines, err, code = command("report", tmp_path)
    assert (lines, code) == ([], 2)
    assert str(tmp_path) in err
