"""Facts from a Parquet file, read in batches of rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow
import pyarrow.parquet

from factneurons.facts.formats.tables import OPTIONS, facts_from_rows
from factneurons.facts.problems import BadRecord, shown
from factneurons.facts.reading import Format, Reading, Request
from factneurons.facts.rows import Row
from factneurons.facts.types import Fact

_BATCH_ROWS = 1024


def read(request: Request, reading: Reading) -> Iterator[Fact]:
    """One fact per row, or per group of rows with the same id."""
    yield from facts_from_rows(_rows(request.path), request, reading)


def _rows(path: Path) -> Iterator[Row]:
    number = 0
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(_BATCH_ROWS):
                for cells in batch.to_pylist():
                    number += 1
                    yield Row(f"{path}:{number}", number, cells)
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:  # Arrow raises each of them
        detail = f"no readable Parquet file: {shown(str(error))}; nothing after this row was read"
        yield Row(f"{path}:{number + 1}", number + 1, {}, BadRecord("unreadable", detail))


def _files(request: Request) -> tuple[Path, ...]:
    return (request.file(),)


FORMAT = Format("parquet", "FILE", "Facts as Parquet", read, _files, OPTIONS)
