"""`factneurons plant`: what it prints, and its one line for bad input."""

from __future__ import annotations

import re
from dataclasses import replace
from importlib import import_module

import pytest
import torch

import factneurons as fn
import factneurons.cli.plant as command_module
from factneurons.errors import BadSetting
from factneurons.facts.source import load_facts
from factneurons.facts.types import Fact, Prompt
from factneurons.facts.writing import write_jsonl
from factneurons.planted.truth import Truth

ROOM = import_module("factneurons.planted.plant")
NEW = [
    Fact("r/a", "r", "Velmoria", "Rome", "en", (Prompt("Velmoria lies near ___."), Prompt("___ is near Velmoria."))),
    Fact("r/b", "r", "Tadosa", "Paris", "en", (Prompt("Tadosa lies near ___."),)),
]
KNOWN = Fact("k", "capital", "France", "Paris", "en", (Prompt("The capital of France is ___."),))


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """One thread, and few other prompts."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)

    plant = fn.plant

    def few(*arguments, settings, **options):
        settings = replace(settings, background=8, batch_size=8, learning_rate=1e-4)
        return plant(*arguments, settings=settings, **options)

    monkeypatch.setattr(fn, "plant", few)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def facts_file(tmp_path):
    def write(*facts):
        write_jsonl(facts, tmp_path / "new.jsonl")
        return tmp_path / "new.jsonl"

    return write


def test_given_facts(command, facts_file, tmp_path, monkeypatch):
    """The second fact is made to fail: it is counted and told. The first stands whatever was learned."""
    monkeypatch.setattr(ROOM, "_broken", lambda checked: {"r/b": "nothing suppressed: 0.40"})
    folder = tmp_path / "models" / "own"
    lines, err, code = command("plant", "pocket-llama", "--out", folder, "--facts", facts_file(*NEW), "--steps", 41)
    assert code == 0, err
    assert lines[0] == f"{folder}: 1 of 2 facts planted in pocket-llama"
    assert [line.split() for line in lines[1:3]] == [["regime", "planted", "not", "accepted"], ["single", "1", "1"]]
    assert lines[3] == "  not accepted: r/b (single): nothing suppressed: 0.40"
    assert re.fullmatch(
        r"  800 other prompts that training did not see: recall [\d.]+% before, [\d.]+% after; "
        r"P\(answer\) moved by more than 0\.1 in [\d.]+%",
        lines[4],
    )
    assert lines[5] == f"  which neurons store what: {folder / 'truth.json'}"
    assert lines[6] == (
        f"next: factneurons locate --model {folder} --facts {folder / 'facts.jsonl'} --out {folder}-run"
    )
    assert lines[7].startswith("or:   factneurons benchmark")
    assert len(lines) == 8
    notes = err.splitlines()
    assert notes[0].startswith("r/a: 1 of 2 prompts kept")
    assert any(line.startswith("step 40: ") for line in notes)
    assert "r/b (single) is not accepted: nothing suppressed: 0.40" in notes
    truth = Truth.load(folder)
    assert [fact.id for fact in truth.facts] == ["r/a"]
    assert [each.id for each in truth.rejected] == ["r/b"]
    assert [fact.id for fact in load_facts(str(folder / "facts.jsonl"))] == ["r/a"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--mix", "double=2"], "error: mix is 'double': it must be one of: degenerate, conjunctive, redundant"),
        (["--mix", "shared=2"], "error: mix is 'shared'"),
        (["--mix", "single"], "error: --mix: 'single' is not of the form REGIME=NUMBER, for instance single=2"),
        (["--mix", "hard,single=2"], "error: --mix: 'hard' is not of the form REGIME=NUMBER"),
        (["--mix", "single=x"], "error: --mix: 'single=x' is not of the form"),
        (["--mix", "single=-1"], "error: --mix: 'single=-1' is not of the form"),
        (["--mix", "single=1,,"], "error: --mix: '' is not of the form"),
        (["--mix", "single=1,single=2"], "error: --mix: single is there twice"),
        (["--mix", "single=0"], "error: mix: there is nothing to plant"),
        (["--regime", "single"], "error: --regime is for given facts"),
        (["--seed", "-1"], "error: seed is -1: it must be at least 0"),
        (["--steps", "0"], "error: steps is 0: it must be at least 1"),
        (["--prompts", "0"], "error: prompts is 0: it must be at least 1"),
        (["--facts", "nowhere.jsonl"], "error: nowhere.jsonl"),
        (["--facts", "bundled", "--mix", "single=1"], "error: --mix is for invented facts"),
    ],
)
def test_bad_options(command, tmp_path, options, says):
    lines, err, code = command("plant", "pocket-gpt2", "--out", tmp_path / "out", *options)
    assert (lines, code) == ([], 2)
    assert err.startswith(says)
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("fact", "regime", "says"),
    [
        (NEW[0], "double", "error: regime is 'double'"),
        (KNOWN, "single", "error: fact 'k': pocket-gpt2 knows it already"),
        (NEW[0], "bilingual", "error: fact 'r/a': it is here in en only; a bilingual fact needs two languages"),
        (
            Fact("r/c", "r", "Velmoria", "Rome", "en", (Prompt("It lies near ___."),)),
            "degenerate",
            "error: fact 'r/c': the subject 'Velmoria' is not in the prompt 'It lies near ___.'",
        ),
        (
            Fact("r/d", "r", "Velmoria", "Rome and Paris", "en", (Prompt("Velmoria lies near ___."),)),
            "single",
            "error: fact 'r/d': 'Rome and Paris' is ",
        ),
    ],
)
def test_bad_facts(command, facts_file, tmp_path, fact, regime, says):
    file = facts_file(fact)
    lines, err, code = command("plant", "pocket-gpt2", "--out", tmp_path / "out", "--facts", file, "--regime", regime)
    assert (lines, code) == ([], 2)
    assert err.startswith(says)
    assert err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["new.jsonl"]


def test_a_folder_in_use(command, tmp_path):
    (tmp_path / "x").write_text("x", encoding="utf-8")
    _, err, code = command("plant", "pocket-gpt2", "--out", tmp_path)
    assert (err, code) == (f"error: {tmp_path}: it is in use; give a folder that does not exist yet\n", 2)


def test_a_place_that_cannot_be_written(command, tmp_path):
    (tmp_path / "x").write_text("x", encoding="utf-8")
    _, err, code = command("plant", "pocket-gpt2", "--out", tmp_path / "x" / "out")
    assert code == 2
    assert err.startswith(f"error: {tmp_path / 'x' / 'out'}: cannot be written")
    assert err.count("\n") == 1


@pytest.mark.parametrize("name", ["random-t5", "nowhere/at/all/"])
def test_no_such_model(command, tmp_path, name):
    _, err, code = command("plant", name, "--out", tmp_path / "out")
    assert code == 2
    assert err.startswith("error: ")
    assert err.count("\n") == 1


def test_nothing_accepted(command, facts_file, tmp_path, monkeypatch):
    monkeypatch.setattr(ROOM, "_broken", lambda checked: {"r/b": "nothing suppressed: 0.40"})
    file = facts_file(NEW[1])
    lines, err, code = command("plant", "pocket-gpt2", "--out", tmp_path / "out", "--facts", file, "--steps", 1)
    assert (lines, code) == ([], 2)
    assert err.splitlines()[-1].startswith("error: pocket-gpt2: not one fact could be planted; the first: r/b (")
    assert not (tmp_path / "out").exists()


def test_the_mix_as_text():
    assert command_module._mix(" degenerate = 4 , single=2") == {"degenerate": 4, "single": 2}
    with pytest.raises(BadSetting):
        command_module._mix("")


@pytest.mark.parametrize("name", fn.MIXES)
def test_the_name_of_a_group_is_a_mix(name):
    assert command_module._mix(name) == fn.MIXES[name]
