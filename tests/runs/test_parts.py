"""Parts are read a few rows at a time, whatever happens to their commits meanwhile, and joined in row groups."""

from __future__ import annotations

import hashlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from factneurons.errors import BadRun
from factneurons.runs import commits, compaction, parts
from factneurons.runs.parts import gathered, in_one_file, read_batches, read_rows
from factneurons.runs.store import Run, compact_run
from factneurons.runs.tables import table_named

FACTS = table_named("facts")


@pytest.fixture
def run(tmp_path, small, monkeypatch):
    monkeypatch.setattr(parts, "ROWS", 7)
    small.write_run(tmp_path / "run", 60)
    return tmp_path / "run"


def one_part(folder):
    (inner,) = (folder / "parts").iterdir()
    return inner / "facts.parquet"


def test_no_more_rows_than_asked_for_at_a_time_and_all_of_them(run):
    whole = [row["fact_id"] + row["language"] for row in Run.open(run).rows("facts")]
    compact_run(run)
    sizes = [len(batch) for batch in read_batches(one_part(run), FACTS)]
    assert max(sizes) <= 7
    assert sum(sizes) == len(whole)
    assert [row["fact_id"] + row["language"] for row in read_rows(one_part(run), FACTS)] == whole
    with pq.ParquetFile(one_part(run)) as file:
        assert file.num_row_groups > 4
    (few,) = {tuple(batch.column_names) for batch in read_batches(one_part(run), FACTS, ["fact_id", "rank"])}
    assert few == ("fact_id", "rank")


def test_rows_are_found_where_their_commit_was_merged_into(run, monkeypatch):
    folders = sorted((run / "parts").iterdir())
    before = {inner: list(read_rows(inner / "facts.parquet", FACTS)) for inner in folders}
    compact_run(run)
    assert {inner: list(read_rows(inner / "facts.parquet", FACTS)) for inner in folders} == before


def test_what_goes_away_while_it_is_read_is_read_on_where_it_is(run, monkeypatch):
    """As on a network disk, where an open file of a folder that was taken away is stale."""
    inner = sorted((run / "parts").iterdir())[3]
    compact_run(run)
    first = list(read_rows(inner / "facts.parquet", FACTS))

    class Stale(pq.ParquetFile):
        def __init__(self, path):
            super().__init__(one_part(run) if "merged" not in str(path) else path)
            self.stale = "merged" not in str(path)

        def iter_batches(self, size, **options):
            if not self.stale:
                yield from super().iter_batches(size, **options)
                return
            yield pa.RecordBatch.from_pylist(first[:2], schema=FACTS.schema)
            raise OSError(116, "Stale file handle")

    monkeypatch.setattr(pq, "ParquetFile", Stale)
    assert list(read_rows(inner / "facts.parquet", FACTS)) == first


def test_a_merged_commit_is_handed_out_as_it_was_committed(run, monkeypatch):
    monkeypatch.setattr(commits, "PLACES", 20)
    monkeypatch.setattr(compaction, "PLACES", 20)
    wanted = [
        (len(each["facts"]), len(each["neurons"])) for each in Run.open(run).committed("locate", "facts", "neurons")
    ]
    compact_run(run)
    small = list(Run.open(run).committed("locate", "facts", "neurons"))
    assert [(len(each["facts"]), len(each["neurons"])) for each in small] == wanted
    for each in small:
        assert {row["fact_id"] for row in each["neurons"]} <= {row["fact_id"] for row in each["facts"]}


def test_joining_keeps_rows_and_order():
    batches = [FACTS.schema.empty_table()] * 3
    assert pq.read_table(pa.BufferReader(in_one_file(batches, FACTS))).equals(FACTS.schema.empty_table())
    numbers = [pa.table({"n": list(range(start, start + 900))}) for start in range(0, 9000, 900)]
    joined = list(gathered(numbers))
    assert pa.concat_tables(joined)["n"].to_pylist() == list(range(9000))
    assert max(map(len, joined)) < parts.ROWS + 900
    assert (
        hashlib.sha256(in_one_file(numbers, _Numbers)).digest()
        == hashlib.sha256(in_one_file(numbers, _Numbers)).digest()
    )


class _Numbers:
    schema = pa.schema([pa.field("n", pa.int64())])


def test_what_is_damaged_or_missing_is_named(run):
    path = sorted((run / "parts").iterdir())[0] / "facts.parquet"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(BadRun, match=r"facts\.parquet is missing or damaged"):
        list(read_rows(path, FACTS))
    path.unlink()
    with pytest.raises(BadRun, match=r"facts\.parquet is missing or damaged"):
        list(read_batches(path, FACTS))
