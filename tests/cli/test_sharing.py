"""`--workers`: the same tables with one process and with several; what a run may make a worker do."""

from __future__ import annotations

import json
import shutil

import pandas as pd
import pytest

from factneurons.cli import main
from factneurons.runs.commits import commit_folders
from factneurons.runs.files import sealed, unsealed
from factneurons.runs.store import Run
from factneurons.runs.verify import verify

FACTS = "bundled?relation=capital&lang=en"
OPTIONS = ("--model", "pocket-gpt2", "--facts", FACTS, "--limit", "9", "--method", "direct_logit", "--draws", "1")
MEASURED = {"seconds", "cpu_seconds"}


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """A run of one process."""
    folder = tmp_path_factory.mktemp("alone") / "run"
    with pytest.raises(SystemExit) as end:
        main(["locate", *OPTIONS, "--out", str(folder)])
    assert not end.value.code
    return folder


def tables(folder):
    run = Run.open(folder)
    return {
        name: run.table(name).drop(columns=MEASURED, errors="ignore")
        for name in ("facts", "neurons", "completeness", "interventions", "skipped")
    }


def test_two_processes_make_the_tables_of_one(command, tmp_path, alone, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    out = tmp_path / "run"
    _, err, code = command("locate", *OPTIONS, "--out", out, "--workers", "2")
    assert code == 0, err
    for name, table in tables(alone).items():
        pd.testing.assert_frame_equal(tables(out)[name], table, check_exact=True)
    run = Run.open(out)
    starts = run.manifest.stages["locate"].starts
    assert len(starts) == 2
    assert all(start.arguments[:1] == ("locate",) for start in starts)
    assert verify(run) == []
    assert list((out / "workers").iterdir()) == list((out / "leases").iterdir()) == []


def forget(folder, arguments):
    """Take half of the run away, and change what its starts say of their command."""
    run = Run.open(folder)
    for _, part in commit_folders(run.folder)[1:]:
        for file in part.iterdir():
            file.unlink()
        part.rmdir()
    content = unsealed((folder / "manifest.json").read_bytes())
    for record in content["stages"].values():
        record["state"] = "interrupted"
        for start in record["starts"]:
            start["arguments"] = arguments
    (folder / "manifest.json").write_text(json.dumps(sealed(content)))


def test_no_run_makes_a_worker_do_anything_else(command, alone, tmp_path):
    folder = tmp_path / "theirs"
    for given in (
        ["finetune", "x"],
        ["worker", "x"],
        ["suite", "x"],
        ["no such"],
        ["experiment", "list"],
        ["experiment"],
    ):
        shutil.copytree(alone, folder)
        forget(folder, given)
        lines, err, code = command("worker", folder)
        assert (lines, code) == ([], 2), given
        assert "no other worker can join" in err
        shutil.rmtree(folder)
    shutil.copytree(alone, folder)
    forget(folder, ["locate", *OPTIONS, "--out", str(tmp_path / "elsewhere"), "--trust-remote-code"])
    assert command("worker", folder)[2] == 0
    assert not (tmp_path / "elsewhere").exists()
    for name, table in tables(alone).items():
        pd.testing.assert_frame_equal(tables(folder)[name], table, check_exact=True)
