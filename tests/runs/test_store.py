"""A run's folder: what it accepts, what it gives back, and what it never touches."""

import errno
import json
import re
import tempfile
import time
from itertools import count
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from factneurons.errors import BadFact, BadNumber, BadRun, BadSetting
from factneurons.facts.types import Fact, Prompt
from factneurons.runs import files, leases, manifest, store, workers
from factneurons.runs.counts import Counts
from factneurons.runs.files import sealed, sha256_of, unsealed
from factneurons.runs.skips import Skip
from factneurons.runs.store import Run
from factneurons.runs.verify import verify


@pytest.fixture
def run(tmp_path, small):
    with Run.create_or_resume(tmp_path / "run", small.make_manifest(), small.STAGE) as run:
        yield run


def named(fact_id, language="en"):
    return Fact(fact_id, "capital", "France", "Paris", language, (Prompt("The capital of France is ___."),))


def keep(run, small, *facts):
    batch = small.work(facts)
    return run.commit(small.STAGE, facts, batch.rows, batch.skips)


def test_an_empty_run_has_empty_tables(run, small):
    assert run.table("facts").empty
    assert "probability" in run.table("facts").columns
    assert list(run.rows("neurons")) == []
    assert run.done(small.STAGE) == set()
    assert run.counts(small.STAGE) == run.counts("never started") == Counts()


def test_tables_come_back_sorted_and_rows_as_written(run, small):
    facts = small.make_facts(20)
    for fact in reversed(facts):
        keep(run, small, fact)
    asked = [(fact.id, fact.language) for fact in facts if int(fact.id[-4:]) % 7]
    table = run.table("facts")
    assert list(zip(table.fact_id, table.language, strict=True)) == asked
    assert [(row["fact_id"], row["language"]) for row in run.rows("facts")] == asked[::-1]
    assert run.table("neurons").sort_values(["fact_id", "language", "position"]).index.is_monotonic_increasing
    row = table.iloc[0]
    assert list(row.prompts) == ["The capital of Land 1 is ___.", "Land 1 is ruled from ___."]
    assert list(row.answer_tokens) == ["Town", "1"]
    assert row.probability == 0.5
    assert pd.isna(row.date)


def test_a_reader_sees_what_is_committed_and_writes_nothing(run, small):
    reader = Run.open(run.folder)
    assert reader.table("facts").empty
    keep(run, small, *small.make_facts(4)[2:])
    assert len(reader.table("facts")) == 2
    assert reader.done(small.STAGE) == {fact.key for fact in small.make_facts(4)[2:]}
    with pytest.raises(BadRun, match="open for reading only"):
        keep(reader, small, *small.make_facts(4)[:2])
    with pytest.raises(BadRun, match="open for reading only"):
        reader.set_state(small.STAGE, "done")


def test_a_closed_run_takes_nothing_more(run, small):
    run.close()
    with pytest.raises(BadRun, match="open for reading only"):
        keep(run, small, *small.make_facts(4))


def test_a_stage_is_opened_before_it_is_written(run, small):
    with pytest.raises(BadRun, match="was not opened for the stage 'degenerate'"):
        run.commit("degenerate", [], {}, [])


def test_counts_add_up_over_commits_and_resumes(tmp_path, small):
    small.write_run(tmp_path / "run", 40)
    once = Run.open(tmp_path / "run").counts(small.STAGE)
    small.write_run(tmp_path / "pieces", 10)
    small.write_run(tmp_path / "pieces", 26)
    small.write_run(tmp_path / "pieces", 40)
    pieces = Run.open(tmp_path / "pieces")
    assert pieces.counts(small.STAGE) == once == pieces.manifest.stages[small.STAGE].counts
    numbers = [int(fact.id[-4:]) for fact in small.make_facts(40)]
    unasked = sum(number % 7 == 0 for number in numbers)
    assert once.read == 40
    assert once.done == once.askable == 40 - unasked
    assert once.skipped == {"blank inside": unasked}
    assert once.skipped_prompts == {"blank inside": sum(n % 5 == 0 and n % 7 != 0 for n in numbers)}
    assert once.rows == {name: len(pieces.table(name)) for name in ("facts", "neurons", "skipped")}


def test_a_fact_all_of_whose_prompts_were_skipped_counts_as_skipped_once(run, small):
    fact = small.make_facts(2)[0]
    skips = [Skip.of(fact, "blank inside", "not at the end", prompt=prompt.text) for prompt in fact.prompts]
    run.commit(small.STAGE, [fact], {}, skips)
    counts = run.counts(small.STAGE)
    assert (counts.read, counts.done, counts.skipped, counts.skipped_prompts) == (
        1,
        0,
        {"blank inside": 1},
        {"blank inside": 2},
    )


def test_a_commit_is_refused_whole_when_its_rows_are_wrong(run, small):
    first, second = small.make_facts(4)[2:]
    rows = small.work([first, second]).rows
    with pytest.raises(ValueError, match="rows of facts that are not in this commit"):
        run.commit(small.STAGE, [first], rows)
    with pytest.raises(ValueError, match="without any row"):
        run.commit(small.STAGE, [first, second, small.make_facts(6)[4]], rows)
    with pytest.raises(ValueError, match="holds a fact twice"):
        run.commit(small.STAGE, [first, first, second], rows)
    with pytest.raises(ValueError, match="given as skips"):
        run.commit(small.STAGE, [first, second], {"skipped": [{}]})
    with pytest.raises(BadSetting, match="no table 'fact'"):
        run.commit(small.STAGE, [first], {"fact": small.work([first]).rows["facts"]})
    bad = {**rows, "facts": [{**rows["facts"][0], "probability": float("nan")}, rows["facts"][1]]}
    with pytest.raises(BadNumber, match=r"fact 'capital/0001' \(en\), table 'facts', column 'probability'"):
        run.commit(small.STAGE, [first, second], bad)
    assert run.counts(small.STAGE) == Counts()
    assert list((run.folder / "parts").iterdir()) == []
    assert list((run.folder / "unfinished").iterdir()) == []


HOSTILE = [
    "../x",
    "/etc/passwd",
    "..",
    "a\0b",
    "x" * 300,
    "CON",
    "a/../../b",
    "~/x",
    "$(touch x)",
    "巴黎 🗼",
    "a\nb",
    "facts.parquet",
    "\u202egnp",
]


@pytest.mark.trial("paths in data")
def test_hostile_ids_name_no_path(tmp_path, run, small):
    before = {path for path in tmp_path.rglob("*") if run.folder not in path.parents}
    for fact_id in HOSTILE:
        fact = named(fact_id)
        run.commit(small.STAGE, [fact], {}, [Skip.of(fact, "reason", "detail")])
    assert set(run.table("skipped").fact_id) == set(HOSTILE)
    assert {name.fact_id for name in run.fact_names(small.STAGE)} == set(HOSTILE)
    assert {path for path in tmp_path.rglob("*") if run.folder not in path.parents} == before
    inside = {path.relative_to(run.folder).as_posix() for path in run.folder.rglob("*") if path.is_file()}
    parts = {
        name for name in inside if re.fullmatch(r"parts/\d{6}-locate-[0-9a-f]{12}/(commit.json|skipped.parquet)", name)
    }
    assert len(parts) == 2 * len(HOSTILE)
    assert {name.partition("/")[0] for name in inside - parts} == {"manifest.json", "workers"}
    assert verify(run) == []


def test_an_id_that_is_no_unicode_is_one_line(run, small):
    fact = small.make_facts(4)[2]
    rows = small.rows_of(fact)
    rows["facts"][0]["subject"] = "\ud800"
    with pytest.raises(BadFact, match="column 'subject': a text that is not valid Unicode"):
        run.commit(small.STAGE, [fact], rows)


@pytest.mark.trial("odd places")
@pytest.mark.parametrize("name", ["with space", "ünïcode-巴黎", "deep/er/still"])
def test_any_folder_name_will_do(tmp_path, small, name):
    small.write_run(tmp_path / name, 8)
    assert len(Run.open(tmp_path / name).table("facts")) == 6


@pytest.mark.trial("odd places")
def test_a_run_behind_a_link(tmp_path, small):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    small.write_run(tmp_path / "link", 8)
    assert len(Run.open(tmp_path / "real").table("facts")) == 6


@pytest.mark.trial("odd places")
def test_a_folder_in_which_one_may_only_read(start_script):
    with tempfile.TemporaryDirectory() as folder:  # others may look into it, unlike into pytest's
        place = Path(folder) / "shared"
        Path(folder).chmod(0o755)
        place.mkdir()
        said = json.loads(start_script("read_only", place).communicate()[0])
        for path in (place, *place.rglob("*")):
            path.chmod(0o755)
        assert len(said) == 2
        for name, text in zip(("new", "old"), said, strict=True):
            assert text.startswith(f"{place / name}")
            assert "cannot be written: Permission denied" in text
            assert "\n" not in text
        assert len(Run.open(place / "old").table("facts")) == 6


@pytest.mark.trial("odd places")
@pytest.mark.parametrize("years", [10, -10])
def test_a_clock_that_jumps_ten_years(tmp_path, small, monkeypatch, years):
    """Between two calls, and in the middle of one."""
    small.write_run(tmp_path / "whole", 24)
    small.write_run(tmp_path / "run", 12)
    real, calls = time.time, count()
    for module in (files, manifest, store, workers, leases):
        if hasattr(module, "now"):
            monkeypatch.setattr(module, "now", lambda: f"{2026 + years * (next(calls) % 3)}-01-01T00:00:00+00:00")
    monkeypatch.setattr(time, "time", lambda: real() + years * 365.25 * 86400 * (next(calls) % 3))
    small.write_run(tmp_path / "run", 24)
    assert next(calls) > 1
    assert small.snapshot(tmp_path / "run") == small.snapshot(tmp_path / "whole")
    assert verify(Run.open(tmp_path / "run")) == []


def complaint(function, *arguments):
    with pytest.raises(BadRun) as caught:
        function(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_no_run_is_not_written_into(tmp_path, small):
    folder = tmp_path / "thesis"
    folder.mkdir()
    (folder / "chapter1.tex").write_text("x")
    create = (Run.create_or_resume, folder, small.make_manifest(), small.STAGE)
    assert "is not empty and is not a run (it has no manifest.json)" in complaint(*create)
    assert [path.name for path in folder.iterdir()] == ["chapter1.tex"]
    file = tmp_path / "file"
    file.write_text("x")
    assert "is a file, not a folder" in complaint(Run.create_or_resume, file, small.make_manifest(), small.STAGE)
    below = complaint(Run.create_or_resume, file / "run", small.make_manifest(), small.STAGE)
    assert "cannot be written: Not a directory" in below


def test_tables_without_a_manifest_are_not_continued(tmp_path, small):
    small.write_run(tmp_path / "run", 8)
    (tmp_path / "run" / "manifest.json").unlink()
    message = complaint(Run.create_or_resume, tmp_path / "run", small.make_manifest(), small.STAGE)
    assert "its manifest.json is missing" in message


def test_opening_what_is_no_run_says_what_is_missing(tmp_path, small):
    assert "it does not exist" in complaint(Run.open, tmp_path / "nowhere")
    assert "it has no manifest.json" in complaint(Run.open, tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    assert "manifest.json is damaged" in complaint(Run.open, tmp_path)
    (tmp_path / "manifest.json").unlink()
    (tmp_path / "manifest.json").mkdir()
    assert "cannot be read" in complaint(Run.open, tmp_path)


def test_a_damaged_part_is_named_when_it_is_read(tmp_path, small):
    small.write_run(tmp_path / "run", 8)
    run = Run.open(tmp_path / "run")
    part = next((tmp_path / "run" / "parts").glob("000005-locate-*")) / "facts.parquet"
    part.write_bytes(part.read_bytes()[:-20])
    assert f"{part} is missing or damaged" in complaint(run.table, "facts")
    part.unlink()
    assert f"{part} is missing or damaged" in complaint(run.table, "facts")
    record = part.with_name("commit.json")
    record.write_text("{}")
    assert f"{record} is damaged or was changed" in complaint(run.done, small.STAGE)
    record.unlink()
    assert f"{record}: cannot be read" in complaint(run.done, small.STAGE)
    (tmp_path / "run" / "parts").rename(tmp_path / "elsewhere")
    assert "its folder parts is missing" in complaint(run.table, "facts")


def test_other_folders_among_the_parts_are_not_read(tmp_path, small):
    small.write_run(tmp_path / "run", 8)
    (tmp_path / "run" / "parts" / "backup of 000001-locate").mkdir()
    assert len(Run.open(tmp_path / "run").table("facts")) == 6


def test_no_error_of_the_disk_is_dropped_when_a_folder_is_made(tmp_path, small, monkeypatch):
    small.write_run(tmp_path / "old", 8)

    def fail(folder, *_, **__):
        raise OSError(errno.EIO, "Input/output error", str(folder))

    monkeypatch.setattr(Path, "mkdir", fail)
    text = complaint(Run.create_or_resume, tmp_path / "new", small.make_manifest(), small.STAGE)
    assert "cannot be written: Input/output error" in text
    old = Run.create_or_resume(tmp_path / "old", small.make_manifest(), small.STAGE)  # no folder of it is missing
    with old, pytest.raises(BadRun, match="Input/output error"):
        keep(old, small, named("capital/0099"))


def test_a_run_is_released_when_opening_it_fails(tmp_path, small):
    small.write_run(tmp_path / "run", 8)
    complaint(Run.create_or_resume, tmp_path / "run", small.make_manifest(seed=7), small.STAGE)
    small.write_run(tmp_path / "run", 8)


def test_a_run_of_an_older_version_reads_and_goes_on(tmp_path, small):
    """Its column `grouping` was called verdict, with other words; parts of both kinds are one table."""
    facts = small.make_facts(4)[2:]
    row = {"fact_id": facts[0].id, "language": facts[0].language, "relation": "capital", "knowledge_neurons": 9}
    row |= {"components": 2, "candidates": 3, "reason": "", "storage": "degenerate", "details": {}}
    row |= dict.fromkeys(("drop_all", "degeneracy_index", "coverage")) | {"grouping": "distinct"}
    manifest = small.make_manifest("degenerate", seed=1)
    with Run.create_or_resume(tmp_path / "run", manifest, "degenerate") as run:
        run.commit("degenerate", facts[:1], {"degenerate": [row]})
        made_old(next((run.folder / "parts").iterdir()), "degenerate", "grouping", "verdict", "components")
        run.commit("degenerate", facts[1:], {"degenerate": [{**row, "fact_id": facts[1].id, "language": "zh"}]})
    run = Run.open(tmp_path / "run")
    assert verify(run) == []
    assert run.table("degenerate")["grouping"].tolist() == ["distinct", "distinct"]
    assert [each["grouping"] for each in run.rows("degenerate")] == ["distinct", "distinct"]
    assert [each["degenerate"][0]["grouping"] for each in run.committed("degenerate", "degenerate")] == ["distinct"] * 2
    (frame,) = run.frames("degenerate", ["fact_id", "grouping"])
    assert list(frame.columns) == ["fact_id", "grouping"]
    assert frame["grouping"].tolist() == ["distinct", "distinct"]


def made_old(part, table, column, name, value):
    """A file of a commit as an older version wrote it, its hash in the record."""
    path = part / f"{table}.parquet"
    stored = pq.read_table(path, partitioning=None)
    stored = stored.set_column(stored.column_names.index(column), name, pa.array([value] * len(stored)))
    pq.write_table(stored, path)
    content = unsealed((part / "commit.json").read_bytes())
    content["parts"][table]["sha256"] = sha256_of(path)
    (part / "commit.json").write_text(json.dumps(sealed(content)))
