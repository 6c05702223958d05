"""`factneurons benchmark`: what is asked of the room below, what is printed, and how it ends."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from factneurons.benchmark.judging import Judged
from factneurons.benchmark.page import Written
from factneurons.benchmark.rows import named, planted_rows
from factneurons.benchmark.settings import BASES, SMALL
from factneurons.cli import main
from factneurons.cli.benchmark import seeds_of
from factneurons.errors import BadSetting
from factneurons.planted.settings import HARD


@pytest.fixture
def table():
    about = {"fact_id": "a", "language": "en", "regime": "single"}
    found = {"precision": 0.5, "recall": 1.0, "average_precision": 0.75, "held_out_loss": 0.5}
    group = {**about, "neurons": "true", "clusterer": "ntc"}
    judged = Judged(
        pd.DataFrame([{**about, "method": "dai", **found}]),
        pd.DataFrame([{**group, "adjusted_rand_index": 0.5, "f1": 0.25}]),
        pd.DataFrame([{**group, "verdict": "shared"}]),
    )
    return pd.concat([named(planted_rows(judged), "pocket-gpt2", seed) for seed in (0, 1)], ignore_index=True)


@pytest.fixture
def asked(monkeypatch, table):
    """What the room below was asked for; it answers with a table, and no model is loaded."""
    calls = []

    def run(out, settings, *, report):
        calls.append(settings)
        return table

    def write(out, table, models, *, figures):
        return Written(out / "benchmark.html", out / "summary.csv", out / "comparisons.csv")

    monkeypatch.setattr("factneurons.benchmark.run.run_benchmark", run)
    monkeypatch.setattr("factneurons.cli.benchmark.write_results", write)
    monkeypatch.setattr("factneurons.benchmark.run.check_bases", lambda settings: None)
    return calls


@pytest.fixture
def command(capsys):
    def run(*arguments):
        with pytest.raises(SystemExit) as end:
            main(["benchmark", *map(str, arguments)])
        out, err = capsys.readouterr()
        return out, err, int(end.value.code or 0)

    return run


def test_options_reach_the_settings(asked, command, tmp_path):
    options = [
        "--base",
        "a",
        "--base",
        "b",
        "--seeds",
        "3,0-1",
        "--grouped-by",
        "true, dai",
        "--steps",
        "7",
        "--regimes",
        "hard",
    ]
    assert command("--out", tmp_path / "x", *options)[2] == 0
    (settings,) = asked
    assert (settings.bases, settings.seeds, settings.grouped_by) == (("a", "b"), (3, 0, 1), ("true", "dai"))
    assert settings.mixes == {"hard": HARD}
    assert settings.planting.steps == 7


def test_defaults_and_small(asked, command, tmp_path):
    assert command("--out", tmp_path)[2] == 0
    assert command("--out", tmp_path, "--small")[2] == 0
    full, small = asked
    assert (full.bases, full.seeds) == (BASES, tuple(range(6)))
    assert small == SMALL


def test_tables_and_paths(asked, command, tmp_path):
    out, _, _ = command("--out", tmp_path)
    lines = out.splitlines()
    assert lines[0] == "2 facts in 2 planted models"
    for part in ("localisation", "grouping", "verdict"):
        assert part in lines
    assert re.search(r"^  dai +0\.75 \[0\.75, 0\.75\] +0\.50", out, re.MULTILINE)
    assert "verdicts of ntc with the true neurons" in out
    assert re.search(r"truth +shared\n +single +2", out)
    for name in ("benchmark.parquet", "summary.csv", "comparisons.csv", "benchmark.html"):
        assert str(tmp_path / name) in out


def test_stopping_says_how_to_go_on(asked, command, tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("factneurons.benchmark.run.run_benchmark", stop)
    _, err, code = command("--out", tmp_path)
    assert code == 130
    assert "run the same command again to go on" in err
    assert command("--out", tmp_path)[2] == 130  # the folder is free again


def test_without_captum(asked, command, tmp_path, monkeypatch):
    monkeypatch.setattr("factneurons.cli.benchmark.has_captum", lambda: False)
    assert "captum is not installed" in command("--out", tmp_path)[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--seeds", "x"], "'x' is not a number or a range"),
        (["--seeds", "3-1"], "'3-1' is not a number or a range"),
        (["--grouped-by", "true,foo"], "grouped_by is 'foo': it must be one of: true, joint"),
        (["--steps", "0"], "steps is 0: it must be at least 1"),
        (["--base", "random-foo"], "there is no such random model; valid: random-bert"),
    ],
)
def test_bad_input_is_one_line(options, message, command, tmp_path):
    out, err, code = command("--out", tmp_path / "x", *options)
    assert (out, code) == ("", 2)
    assert message in err
    assert err.count("\n") == 1
    assert not (tmp_path / "x").exists()


def test_a_folder_that_is_being_written(command, asked, tmp_path):
    from factneurons.runs.files import FolderLock

    with FolderLock(Path(tmp_path) / "lock"):
        _, err, code = command("--out", tmp_path)
    assert code == 2
    assert "is being written by process" in err


def test_seeds():
    assert seeds_of("0-2,5,1") == (0, 1, 2, 5)
    for wrong in ("", "1-", "-1", "1,,2", "a-b"):
        with pytest.raises(BadSetting, match="--seeds"):
            seeds_of(wrong)
