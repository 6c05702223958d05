"""`factneurons languages`: a whole run on a bundled model, what it prints, and its one line for bad input."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

import factneurons as fn
from factneurons.cli import main
from factneurons.multilingual.settings import LanguageSettings
from factneurons.report.page import run_report
from factneurons.runs.store import Run
from factneurons.runs.verify import verify as problems_in

FEW = ("--draws", "2", "--unrelated", "1")


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def located(folder: Path, facts: str, *more: str) -> Path:
    with pytest.raises(SystemExit) as end:
        main(["locate", "--model", "pocket-gpt2", "--facts", facts, "--out", str(folder), *FEW, *more])
    assert end.value.code == 0
    return folder


@pytest.fixture(scope="module")
def two_languages(tmp_path_factory):
    """Three facts in English and Chinese, and one in English only, with several prompts each."""
    folder = tmp_path_factory.mktemp("languages") / "run"
    return located(folder, "bundled?relation=capital&limit=7", "--method", "dai")


def test_a_whole_run(two_languages, command):
    lines, err, code = command("languages", two_languages, *FEW)
    assert code == 0, err
    assert re.match(rf"{two_languages}: \d of 3 facts in en, zh have language-independent neurons in ", lines[0])
    assert "rule intersection: neurons found in every language" in lines[0]
    assert lines[1].startswith("  neurons per fact, mean: en ")
    assert any(line.startswith("  1 fact left out, language-missing; for instance: ") for line in lines)
    asked = [line.split(" neurons")[0].strip() for line in lines if line.strip().startswith("asked in")]
    assert {"asked in en, en", "asked in en, zh", "asked in zh, en", "asked in zh, zh"} <= set(asked)
    assert lines[-1] == f"next: factneurons report {two_languages}"

    run = Run.open(two_languages)
    assert problems_in(run, model_files=None, data_sha256=None) == []
    joined, neurons, effects = (run.table(name) for name in ("languages", "language_neurons", "language_effects"))
    assert joined["language"].tolist() == ["all"] * 3
    facts = run.table("facts").set_index(["fact_id", "language"])
    for row in joined.itertuples():
        sizes = {each["name"]: each["value"] for each in row.sizes}
        assert sizes == {name: facts.loc[(row.fact_id, name), "neurons"] for name in ("en", "zh")}
        own = neurons[neurons["fact_id"] == row.fact_id]
        assert own["shared"].sum() == row.size == (own["languages"].map(len) == 2).sum()
    found = effects[effects["draw"] == 0]
    assert set(found["language"]) == {"en", "zh"}
    assert set(found.loc[found["neurons"] == "language", "neurons_of"]) == {"en", "zh"}
    assert (
        effects[effects["draw"] > 0].groupby(["fact_id", "language", "neurons", "neurons_of"])["draw"].max() == 2
    ).all()

    page = run_report(run).read_text(encoding="utf-8")
    assert '<section id="languages">' in page
    assert "Which neurons speak which language" in page


def test_again_does_nothing_twice(two_languages, command):
    before = {path.name for path in (two_languages / "parts").iterdir()}
    lines, err, code = command("languages", two_languages, *FEW)
    assert code == 0, err
    assert "3 of them before" in lines[0] or "4 of them before" in lines[0]
    assert {path.name for path in (two_languages / "parts").iterdir()} == before


def test_other_settings_are_refused(two_languages, command):
    _, err, code = command("languages", two_languages, *FEW, "--rule", "union")
    assert code == 2
    assert 'languages.settings.rule was "intersection", is "union" now' in err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--only", "en,fr"), "no fact was located in 'fr'; the facts are in: en, zh"),
        (("--only", "en"), "two or more different ones"),
        (("--rule", "every"), "one of: intersection, at_least, union, agnostic"),
        (("--rule", "at_least", "--at-least", "3"), "at_least 3 of 2 languages (en, zh)"),
        (("--thresholds", "equal"), "one of: fixed, match_size"),
    ],
)
def test_bad_input(two_languages, command, options, message):
    _, err, code = command("languages", two_languages, *options)
    assert code == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1 + err.count("note:")


def test_one_language(tmp_path, command):
    run = located(tmp_path / "run", "bundled?relation=capital&lang=en&limit=2", "--method", "activation")
    _, err, code = command("languages", run)
    assert code == 2
    assert "facts in at least two languages are needed, and these are in en only" in err


def test_agnostic_and_matched_sizes(tmp_path, command):
    """The other ways to join, on a run of their own each."""
    for name, options in {
        "agnostic": ("--rule", "agnostic"),
        "matched": ("--thresholds", "match_size", "--held-out", "0.4"),
    }.items():
        run = located(tmp_path / name, "bundled?relation=capital&limit=4", "--method", "activation")
        lines, err, code = command("languages", run, *FEW, *options)
        assert code == 0, err
        rows = Run.open(run).table("languages")
        settings = Run.open(run).manifest.stages["languages"].settings
        if name == "agnostic":
            assert (rows["needed"] == 0).all()
            assert settings["rule"] == "agnostic"
        else:
            assert any("1 fact held out" in line for line in lines)
            assert len(rows) == 1
            assert min(settings["cuts"].values()) == 0.0


def test_settings_of_the_command_are_those_of_the_library(monkeypatch, tmp_path):
    """Without options, both do the same."""

    class Reached(Exception):
        pass

    def stop(_folder, _model, *, settings, **_options):
        raise Reached(settings)

    monkeypatch.setattr(fn, "model_of", lambda *_, **__: None)
    monkeypatch.setattr(fn, "run_languages", stop)
    with pytest.raises(Reached) as reached:
        main(["languages", str(tmp_path)])
    assert reached.value.args[0] == LanguageSettings()
