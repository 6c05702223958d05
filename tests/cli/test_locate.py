"""`factneurons locate`: what is written on the command line is what the library is given, and what is told."""

from __future__ import annotations

from dataclasses import asdict

import pytest

import factneurons as fn
from factneurons.attribution.settings import AttributionSettings, InterventionSettings, SelectionSettings
from factneurons.cli import main

FACTS = "bundled?relation=capital&lang=en"
USUAL = {
    "settings": AttributionSettings(), "selection": SelectionSettings(), "tests": InterventionSettings(),
    "multi_mask": False, "limit": None, "revision": None, "skip_bad": False,
}  # fmt: skip


class Reached(Exception):
    """Locating would start now."""


@pytest.fixture
def reached(monkeypatch, tmp_path):
    """reached(*options): what the library would be called with, and the model's options."""

    def call(*options):
        models = []

        def stop(_model, facts, out, *, progress, **given):
            assert (facts, out) == (FACTS, tmp_path / "run")
            raise Reached(given)

        monkeypatch.setattr(fn, "load_model", lambda name, **given: models.append((name, given)))
        monkeypatch.setattr(fn, "run_locate", stop)
        with pytest.raises(Reached) as end:
            main(["locate", "--model", "some", "--facts", FACTS, "--out", str(tmp_path / "run"), *options])
        return end.value.args[0], models

    return call


def changed(record, usual):
    return {name: value for name, value in asdict(record).items() if value != getattr(usual, name)}


def test_without_options_the_library_decides(reached):
    given, models = reached()
    assert given == USUAL
    ((name, options),) = models
    assert name == "some"
    assert options["dtype"] == "float32"


@pytest.mark.parametrize(
    ("arguments", "name", "expected"),
    [
        (["--method", "dai"], "settings", {"method": "dai"}),
        (["--rule", "radau", "--points", "9"], "settings", {"rule": "radau", "points": 9}),
        (["--target", "logit"], "settings", {"target": "logit"}),
        (["--threshold", "0.35", "--share", "0.6"], "selection", {"threshold": 0.35, "share": 0.6}),
        (["--draws", "7", "--unrelated", "0", "--seed", "5"], "tests", {"draws": 7, "unrelated": 0, "seed": 5}),
    ],
)
def test_options_reach_their_record(arguments, name, expected, reached):
    given, _ = reached(*arguments)
    assert changed(given[name], USUAL[name]) == expected
    assert {key: value for key, value in given.items() if key != name} == {
        key: value for key, value in USUAL.items() if key != name
    }


def test_a_value_that_is_no_choice(command, tmp_path):
    out, wrong = tmp_path / "run", ("--units", "nats")
    _, err, code = command("locate", "--model", "some", "--facts", FACTS, "--out", out, *wrong)
    assert code == 2
    assert "units is 'nats': it must be one of" in err
    assert not out.exists()


def test_what_is_no_setting_arrives_too(reached):
    given, models = reached("--limit", "3", "--skip-bad", "--multi-mask", "--revision", "main", "--dtype", "bfloat16")
    assert (given["limit"], given["skip_bad"], given["multi_mask"], given["revision"]) == (3, True, True, "main")
    assert {name: models[0][1][name] for name in ("dtype", "revision")} == {"dtype": "bfloat16", "revision": "main"}


@pytest.mark.parametrize("wrong", ["facts", "folder"])
def test_what_is_wrong_is_told_before_a_model_is_loaded(wrong, command, tmp_path, monkeypatch):
    monkeypatch.setattr(fn, "load_model", lambda *_, **__: pytest.fail("a model was loaded"))
    facts, out = FACTS, tmp_path / "run"
    if wrong == "facts":
        facts = tmp_path / "nowhere.jsonl"
    else:
        out.mkdir()
        (out / "letter.txt").write_text("not a run", encoding="utf-8")
    _, err, code = command("locate", "--model", "some", "--facts", facts, "--out", out)
    assert code == 2
    assert str(facts if wrong == "facts" else out) in err
    assert err.startswith("error: ")


def test_a_whole_run(command, tmp_path):
    folder = tmp_path / "run"
    few = ("--limit", 2, "--method", "activation", "--draws", 1, "--unrelated", 1)
    lines, err, code = command("locate", "--model", "pocket-gpt2", "--facts", FACTS, "--out", folder, *few)
    assert code == 0, err
    assert lines[-1] == f"next: factneurons degenerate {folder}"
    run = fn.Run.open(folder)
    assert len(run.table("facts")) == 2
    assert set(run.manifest.stages) == {"locate", "test_knowledge"}
