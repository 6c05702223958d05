"""A commit is there whole or not at all, says what is in it, and is noticed when it was changed."""

from __future__ import annotations

import hashlib
import os

import pyarrow.parquet
import pytest

from factneurons.errors import BadRun, FactneuronsError
from factneurons.runs.commits import (
    PARTS,
    RECORD,
    UNFINISHED,
    clear_unfinished,
    commit_folders,
    read_commits,
    write_commit,
)
from factneurons.runs.skips import Skip


@pytest.fixture
def folder(tmp_path):
    for name in (PARTS, UNFINISHED):
        (tmp_path / name).mkdir()
    return tmp_path


@pytest.fixture
def commit(folder, small):
    """commit(number, facts, skips=(), stage="locate"): write the usual rows of facts that are not skipped."""

    def write(number, facts, skips=(), stage="locate"):
        left_out = {(skip.fact_id, skip.language) for skip in skips if not skip.part}
        rows = [small.rows_of(fact) for fact in facts if (fact.id, fact.language) not in left_out]
        tables = {name: [row for each in rows for row in each[name]] for name in ("facts", "neurons")}
        return write_commit(folder, number, stage, facts, tables, skips)

    return write


def test_what_is_written_is_read_again_in_order(folder, commit, small):
    facts = small.make_facts(8)
    written = [commit(number, facts[place : place + 2]) for number, place in ((1, 0), (2, 2), (1_000_000, 4))]
    found = list(read_commits(folder))
    assert [each for each, _ in found] == written
    assert [inner.name.rpartition("-")[0] for _, inner in found] == ["000001-locate", "000002-locate", "1000000-locate"]
    for place, (each, inner) in zip((0, 2, 4), found, strict=True):
        assert [name.key for name in each.facts] == [fact.key for fact in facts[place : place + 2]]
        assert {path.name for path in inner.iterdir()} == {RECORD, *(f"{table}.parquet" for table in each.parts)}
        for table, part in each.parts.items():
            data = (inner / f"{table}.parquet").read_bytes()
            assert hashlib.sha256(data).hexdigest() == part.sha256
            assert pyarrow.parquet.read_metadata(inner / f"{table}.parquet").num_rows == part.rows
    assert list((folder / UNFINISHED).iterdir()) == []


def test_a_stage_reads_its_own(folder, commit, small):
    facts = small.make_facts(4)
    commit(1, facts[:2])
    commit(2, facts[2:], stage="test")
    assert [each.number for each, _ in read_commits(folder, "test")] == [2]
    (folder / PARTS / "notes").mkdir()
    (folder / PARTS / "1-locate").mkdir()
    assert [number for number, _ in commit_folders(folder)] == [1, 2]


def test_counts_say_what_became_of_every_fact(commit, small):
    facts = small.make_facts(6)
    whole = Skip.of(facts[0], "no-prompt", "none", askable=False)
    late = Skip.of(facts[1], "bad-number", "NaN", askable=True)
    part = Skip.of(facts[2], "no-prompt", "this one", prompt="It is ___")
    record = Skip("no-json", "broken", source="facts.jsonl:9")
    counts = commit(1, facts, [whole, late, part, record]).counts
    assert (counts.read, counts.done, counts.askable) == (7, 4, 5)
    assert counts.skipped == {"no-prompt": 1, "bad-number": 1, "no-json": 1}
    assert counts.read == counts.done + sum(counts.skipped.values())
    assert counts.skipped_prompts == {"no-prompt": 1}
    assert (counts.rows["facts"], counts.rows["skipped"]) == (4, 4)


def test_the_mistakes_of_a_caller_write_nothing(folder, small):
    one, other = small.make_facts(4)[::2]
    rows = small.rows_of(one)
    for facts, tables, said in (
        ([one, one], rows, "holds a fact twice"),
        ([other], rows, "rows of facts that are not in this commit"),
        ([one, other], rows, "facts without any row"),
        ([one], {**rows, "skipped": []}, "given as skips"),
    ):
        with pytest.raises(ValueError, match=said):
            write_commit(folder, 1, "locate", facts, tables, [])
    assert list(read_commits(folder)) == []


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_disk_that_refuses_leaves_nothing_of_it(step, folder, commit, small, monkeypatch):
    facts = small.make_facts(4)
    before = commit(1, facts[:2])

    def refuse(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, step, refuse)
        with pytest.raises(FactneuronsError, match="space"):
            commit(2, facts[2:])
    assert [each for each, _ in read_commits(folder)] == [before]
    assert list((folder / UNFINISHED).iterdir()) == []


def test_a_changed_or_missing_record_is_named(folder, commit, small):
    commit(1, small.make_facts(2))
    record = next((folder / PARTS).iterdir()) / RECORD
    record.write_bytes(record.read_bytes().replace(b'"number": 1', b'"number": 2'))
    with pytest.raises(BadRun, match=r"000001-locate-[0-9a-f]{12}/commit\.json is damaged or was changed"):
        list(read_commits(folder))
    record.unlink()
    with pytest.raises(BadRun, match=r"commit\.json: cannot be read"):
        list(read_commits(folder))
    with pytest.raises(BadRun, match="is no whole run: its folder parts is missing"):
        commit_folders(folder / PARTS)


def test_what_a_killed_writer_left_is_thrown_away(folder):
    (folder / UNFINISHED / "000002-locate").mkdir()
    (folder / UNFINISHED / "000002-locate" / "facts.parquet").write_bytes(b"half")
    (folder / UNFINISHED / "link").symlink_to(folder / PARTS)
    (folder / UNFINISHED / "file").write_bytes(b"")
    assert clear_unfinished(folder, lambda name: False) >= 2
    assert list((folder / UNFINISHED).iterdir()) == []
    assert (folder / PARTS).is_dir()
