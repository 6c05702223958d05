"""Reading and joining the files of commits, a bounded number of rows in memory at a time, however large a file is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from factneurons.errors import BadRun
from factneurons.runs.commits import moved_to
from factneurons.tables import Table

ROWS = 2000
"""So many rows are in memory at a time, and in one row group of a file that was put together; about."""
_DICTIONARIES = 100
"""So many of them as dictionaries, which take ten times as much."""


def read_batches(path: Path, table: Table[Any], columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """The rows of a part, at most `ROWS` at a time, also of one whose commit was merged with others meanwhile.

    Args:
        path: the part's file.
        table: its table.
        columns: only these; None: all.

    Raises:
        BadRun: it is missing or damaged.
    """
    place = 0
    try:
        with pq.ParquetFile(path) as file:
            # parts are small: threads cost more than they save
            for batch in file.iter_batches(ROWS, columns=table.stored_names(columns), use_threads=False):
                yield table.from_arrow(pa.Table.from_batches([batch]), columns)
                place += len(batch)
            return
    except (OSError, pa.ArrowException) as error:
        found = moved_to(path) if not path.exists() else None
        if found is None:
            raise BadRun(f"{path} is missing or damaged: {str(error).splitlines()[0]}") from error
    merged, (first, last) = found
    yield from _between(read_batches(merged, table, columns), first + place, last)


def _between(batches: Iterable[pa.Table], first: int, last: int) -> Iterator[pa.Table]:
    place = 0
    for batch in batches:
        start, place = place, place + len(batch)
        if start < last and place > first:
            yield batch.slice(max(0, first - start), min(last, place) - max(first, start))


def read_rows(path: Path, table: Table[Any]) -> Iterator[dict[str, Any]]:
    """The rows of a part one by one.

    Raises:
        BadRun: it is missing or damaged.
    """
    for batch in read_batches(path, table):
        for start in range(0, len(batch), _DICTIONARIES):
            yield from batch.slice(start, _DICTIONARIES).to_pylist()


def gathered(batches: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same rows, joined until there are `ROWS` of them or a little more."""
    waiting: list[pa.Table] = []
    for batch in batches:
        waiting.append(batch)
        if sum(map(len, waiting)) >= ROWS:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def in_one_file(batches: Iterable[pa.Table], table: Table[Any]) -> bytes:
    """A file that holds these rows."""
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, table.schema, compression="zstd") as writer:
        for part in gathered(batches):
            writer.write_table(part)
    data: bytes = sink.getvalue().to_pybytes()
    return data
