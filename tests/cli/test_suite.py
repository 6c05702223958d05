"""`factneurons suite`: two bundled models and a few facts end to end, planned and resumed; bad input in one line."""

from __future__ import annotations

import pytest

import factneurons as fn
from factneurons.cli import main
from factneurons.experiments.cells import CELLS

FACTS = "bundled?relation=capital,animal_class&lang=en&sample=2&seed=1"
ARGUMENTS = (
    "suite", "--models", "pocket-gpt2,pocket-llama", "--facts", FACTS, "--methods", "dai", "--draws", "1",
    "--unrelated", "1", "--only", "languages,E1",
)  # fmt: skip


def test_two_models_end_to_end(command, tmp_path):
    folder = tmp_path / "suite"
    out, err, code = command(*ARGUMENTS, "--out", folder)
    assert code == 0
    assert "languages/shared is left out" in err
    assert out[-1] == str(folder / "suite.html")
    assert len(out) == 2 * 3 + 1
    assert out[0].startswith("pocket-gpt2 (en) localisation/suppress: cannot tell")
    assert "pocket-llama/experiments.html#E1" in (folder / "suite.html").read_text(encoding="utf-8")
    planned, _, code = command(*ARGUMENTS, "--out", folder, "--plan")
    assert code == 0
    assert planned[0].startswith("pocket-gpt2: 3 cells, about 0 s and 0.")
    assert "      takes about 0 s and 0." in planned[3]
    assert "      there: 2 of 2 facts, 2 measured, done" in planned


def test_a_plan_writes_nothing(command, tmp_path):
    out, _, code = command("suite", "--models", "a,b", "--facts", FACTS, "--out", tmp_path / "suite", "--plan")
    assert code == 0
    told = [line for line in out if "there: nothing yet" in line or "left out: " in line]
    assert len(told) == 2 * len(CELLS)
    assert sum("takes an unknown time and unknown memory" in line for line in out) == sum(
        "there: nothing yet" in line for line in out
    )
    assert not (tmp_path / "suite").exists()


def test_an_experiment_that_fails_is_told_and_the_exit_code_says_so(command, tmp_path):
    out, err, code = command(
        "suite", "--models", "no/such-folder", "--facts", FACTS, "--only", "overlap", "--out", tmp_path / "suite"
    )
    assert code == 1
    assert out[-2].startswith("no/such-folder E9 failed: ")
    assert "failed" in err


@pytest.mark.parametrize(
    ("options", "message"), [(("--only", "E99"), "only is 'E99'"), (("--methods", "guess"), "guess")]
)
def test_bad_options_are_told_in_one_line(command, tmp_path, options, message):
    _, err, code = command("suite", "--models", "a", "--facts", FACTS, "--out", tmp_path / "suite", *options)
    assert code == 2
    assert message in err
    assert not (tmp_path / "suite").exists()


class Reached(Exception):
    """A suite would start, or be planned, now."""


@pytest.mark.parametrize(("function", "options"), [("run_suite", ()), ("plan_suite", ("--plan",))])
def test_models_are_loaded_as_the_options_say_and_plans_are_of_what_would_be_run(monkeypatch, function, options):
    loaded = []

    def stop(models, facts, out, **given):
        given["load"]("some")
        raise Reached(given)

    monkeypatch.setattr(fn, "load_model", lambda name, **given: loaded.append((name, given)))
    monkeypatch.setattr(fn, function, stop)
    given = ("--allow-pickle", "--chat", "--device", "cpu", "--as-published", "--all-facts")
    with pytest.raises(Reached) as end:
        main(["suite", "--models", "some", "--facts", FACTS, "--out", "suite", *given, *options])
    assert (end.value.args[0]["as_published"], end.value.args[0]["settings"].known_only) == (True, False)
    ((name, asked),) = loaded
    assert (name, asked["allow_pickle"], asked["chat"], asked["device"]) == ("some", True, True, "cpu")
