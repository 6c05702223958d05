"""Merged commits hold what the small ones held, whoever reads, writes or dies meanwhile."""

import errno
import json
import shutil

import pytest

from factneurons.errors import BadRun
from factneurons.runs import commits, compaction, drive
from factneurons.runs.store import Run, compact_run
from factneurons.runs.verify import verify


def parts(folder):
    return sorted(inner.name for inner in (folder / "parts").iterdir())


def order(folder):
    return [row["fact_id"] + row["language"] for row in Run.open(folder).rows("facts")]


@pytest.fixture
def few_places(monkeypatch):
    for module in (commits, compaction):
        monkeypatch.setattr(module, "PLACES", 20)


@pytest.fixture
def run(tmp_path, small):
    small.write_run(tmp_path / "run", 50)
    return tmp_path / "run"


def test_a_merged_run_has_the_same_tables_in_the_same_order(run, small, few_places):
    whole, told, in_order = small.snapshot(run), list(Run.open(run).fact_names(small.STAGE)), order(run)
    assert compact_run(run) == (13, 3)
    assert parts(run) == ["000001-locate-merged1", "000021-locate-merged1", "000041-locate-merged1"]
    assert small.snapshot(run) == whole
    assert list(Run.open(run).fact_names(small.STAGE)) == told
    assert order(run) == in_order
    assert verify(Run.open(run)) == []
    assert compact_run(run) == (3, 3)


def test_a_merged_run_is_resumed_and_merged_again(run, small, few_places, tmp_path):
    compact_run(run)
    small.write_run(run, 58)
    assert sum("merged" in name for name in parts(run)) == 3
    small.write_run(tmp_path / "whole", 58)
    assert compact_run(run) == (6, 3)
    assert "000041-locate-merged2" in parts(run)
    assert small.snapshot(run) == small.snapshot(tmp_path / "whole")
    assert order(run) == order(tmp_path / "whole")
    assert verify(Run.open(run)) == []


def test_what_lies_behind_a_gap_waits_unless_the_stage_is_done(tmp_path, small):
    facts = small.make_facts(16)
    with Run.create_or_resume(tmp_path / "run", small.make_manifest(), small.STAGE) as run:
        for number in (1, 5, 13):
            own = small.work(facts[number - 1 : number + 3])
            run.commit(small.STAGE, facts[number - 1 : number + 3], own.rows, own.skips, number)
        assert compact_run(run) == (3, 2)
        run.set_state(small.STAGE, "done")
        assert compact_run(run) == (2, 1)
        assert parts(run.folder) == ["000001-locate-merged2"]
        assert len(run.done(small.STAGE)) == 12


def test_many_commits_are_merged_while_a_stage_runs_and_at_its_end(tmp_path, small, few_places, monkeypatch):
    monkeypatch.setattr(drive, "LOOSE", 6)
    monkeypatch.setattr(drive, "FEW", 6)
    seen = []

    def work(facts):
        seen.append(len(parts(tmp_path / "run")))
        return small.work(facts)

    summary = small.write_run(tmp_path / "run", 100, work=work)
    small.write_run(tmp_path / "whole", 100, manifest=None, batch_size=8)
    assert max(seen) < 15  # of 25
    assert len(parts(tmp_path / "run")) == 5
    assert summary.counts.read == 100
    assert small.snapshot(tmp_path / "run") == small.snapshot(tmp_path / "whole")


@pytest.mark.parametrize("number", [100, 300])
def test_a_run_has_few_files_at_any_time_however_many_facts(number, tmp_path, small, few_places, monkeypatch):
    """One folder per `PLACES` facts, and beside them never more than a bounded number of loose ones."""
    monkeypatch.setattr(drive, "LOOSE", 6)
    monkeypatch.setattr(drive, "FEW", 6)
    loose, files = [], []

    def work(facts):
        loose.append(sum("merged" not in name for name in parts(tmp_path / "run")))
        files.append(sum(path.is_file() for path in (tmp_path / "run").rglob("*")))
        return small.work(facts)

    small.write_run(tmp_path / "run", number, work=work)
    places, tables = 20, 3
    assert max(loose) <= 2 * drive.LOOSE + places / 4
    assert len(parts(tmp_path / "run")) == number / places
    assert max(files) <= (number / places + max(loose)) * (tables + 1) + 5
    assert sum(path.is_file() for path in (tmp_path / "run").rglob("*")) <= number / places * (tables + 1) + 1


def test_a_reader_goes_on_while_parts_are_merged_once_and_again(run, small, few_places):
    whole, both = order(run), Run.open(run)
    rows, committed = both.rows("facts"), both.committed(small.STAGE, "facts", "neurons")
    seen = [next(rows) for _ in range(5)]
    tables = [next(committed)]
    compact_run(run)
    seen += [next(rows) for _ in range(25)]
    small.write_run(run, 58)
    compact_run(run)
    seen += rows
    tables += committed
    assert [row["fact_id"] + row["language"] for row in seen] == whole
    assert [row["fact_id"] + row["language"] for each in tables for row in each["facts"]] == whole


def test_what_a_worker_brings_late_counts_once(run, small, tmp_path):
    kept = small.snapshot(run)
    late = tmp_path / "late"
    first = parts(run)[0]
    shutil.copytree(run / "parts" / first, late)
    compact_run(run)
    late.rename(run / "parts" / first)
    assert small.snapshot(run) == kept
    assert verify(Run.open(run)) == []
    compact_run(run)
    assert parts(run) == ["000001-locate-merged1"]


def test_a_damaged_part_is_not_merged(run, small):
    victim = run / "parts" / parts(run)[2] / "facts.parquet"
    victim.write_bytes(victim.read_bytes()[:-1] + b"x")
    before = parts(run)
    with pytest.raises(BadRun, match=r"facts\.parquet: it was changed after it was written, so it is not merged"):
        compact_run(run)
    assert parts(run) == before


@pytest.mark.trial("kill in a write")
def test_a_killed_compaction_loses_and_doubles_nothing(tmp_path, small, start_script, record_property):
    report = json.loads(start_script("compaction", tmp_path).communicate()[0])
    assert report["status"] == 0
    assert report["steps"] > 20
    whole, seen = small.snapshot(tmp_path / "whole"), set()
    for number in range(report["steps"]):
        folder = tmp_path / f"{number:03d}"
        seen.add(len(parts(folder)))
        assert small.snapshot(folder) == whole
        assert verify(Run.open(folder)) == []
        small.write_run(folder, 12)
        compact_run(folder)
        assert parts(folder) == ["000001-locate-merged1"]
        assert small.snapshot(folder) == whole
        assert list((folder / "unfinished").iterdir()) == []
    assert seen == {1, 2, 3, 4}
    record_property("note", f"{report['steps']} in a compaction")


def test_a_failure_while_a_run_is_made_is_told_and_stops_nothing(tmp_path, small, monkeypatch):
    monkeypatch.setattr(drive, "FEW", 2)
    small.write_run(tmp_path / "whole", 16)
    before = order(tmp_path / "whole")

    def fail(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(compaction, "_merge", fail)
    with pytest.warns(UserWarning, match=r"^the parts of locate were not put together: .*: Input/output error$"):
        small.write_run(tmp_path / "run", 16)
    assert Run.open(tmp_path / "run").manifest.stages[small.STAGE].state == "done"
    assert order(tmp_path / "run") == before
