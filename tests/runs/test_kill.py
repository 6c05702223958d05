"""Nothing is lost, doubled or torn, whenever a writer is killed."""

import json
import os

import pytest

from factneurons.errors import BadRun
from factneurons.runs.store import Run
from factneurons.runs.verify import verify


@pytest.mark.trial("kill")
def test_kill_at_random_moments_and_resume(tmp_path, small, start_script, trial):
    small.write_run(tmp_path / "whole", 200)
    report = json.loads(start_script("random", tmp_path / "killed", trial.times, trial.seed).communicate()[0])
    assert report["status"] == 0
    assert report["hits"] > trial.times / 2, "too few writers were killed in time for this test to mean anything"
    assert report["kept"] > 5, "too few commits were made for this test to mean anything"
    trial.note(f"{report['hits']} were killed before they were done, with {report['kept']} commits kept on the way")
    assert small.snapshot(tmp_path / "killed") == small.snapshot(tmp_path / "whole")
    run = Run.open(tmp_path / "killed")
    names = [(fact.fact_id, fact.language) for fact in run.fact_names(small.STAGE)]
    assert len(names) == len(set(names)) == 200
    assert verify(run) == []
    assert list((tmp_path / "killed" / "unfinished").iterdir()) == []


@pytest.mark.trial("kill in a write")
def test_kill_at_every_step_of_writing(tmp_path, small, start_script, monkeypatch, record_property):
    monkeypatch.setattr(os, "fsync", lambda _: None)
    small.write_run(tmp_path / "whole", 12, 6)
    whole = small.snapshot(tmp_path / "whole")
    report = json.loads(start_script("events", tmp_path / "killed").communicate()[0])
    assert report["status"] == 0
    assert report["steps"] > 40
    seen = set()
    for number in range(report["steps"]):
        folder = tmp_path / "killed" / f"{number:03d}"
        try:
            run = Run.open(folder)
        except BadRun:
            seen.add("no run yet")
        else:
            assert verify(run) == []
            seen.add(run.counts(small.STAGE).read)
        small.write_run(folder, 12, 6)
        assert small.snapshot(folder) == whole
        assert verify(Run.open(folder)) == []
    assert seen == {"no run yet", 0, 6, 12}
    record_property("note", f"{report['steps']} places in a run")


def test_a_run_needs_the_data_types_of_the_rooms_below_and_no_more(tmp_path, start_script):
    loaded = json.loads(start_script("modules", tmp_path / "run").communicate()[0])
    assert "torch" not in loaded
    assert "factneurons.degeneracy.types" in loaded
    rooms = ("models", "attribution", "degeneracy", "multilingual", "factcheck", "experiments")
    files = [name.split(".")[2] for name in loaded if name.startswith(tuple(f"factneurons.{room}." for room in rooms))]
    assert set(files) <= {"types", "tables", "indices"}  # the degeneracy index is a few lines of numpy


@pytest.mark.trial("two commands")
def test_a_killed_writer_is_told_of_and_its_lock_is_free(tmp_path, small, start_script):
    holder = start_script("hold", tmp_path / "run")
    assert holder.stdout.readline() == "open\n"
    with Run.create_or_resume(tmp_path / "run", small.make_manifest(), small.STAGE) as run:
        assert run.notes == []  # two that live are workers of one run
    with pytest.raises(
        BadRun, match=f"is being worked on by process {holder.pid} on .* with no limit, this is with limit 3"
    ):
        Run.create_or_resume(tmp_path / "run", small.make_manifest(extent={"limit": 3}), small.STAGE)
    assert Run.open(tmp_path / "run").manifest.stages[small.STAGE].state == "running"
    holder.kill()
    holder.wait()
    (tmp_path / "run" / "unfinished" / "000001-locate").mkdir()
    (tmp_path / "run" / "unfinished" / "000001-locate" / "facts.parquet").write_bytes(b"PAR1")
    with Run.create_or_resume(tmp_path / "run", small.make_manifest(), small.STAGE) as run:
        assert f"process {holder.pid} on" in run.notes[0]
        assert run.notes[1] == "1 half-written files of it were removed"
    with Run.create_or_resume(tmp_path / "run", small.make_manifest(), small.STAGE) as run:
        assert run.notes == []
