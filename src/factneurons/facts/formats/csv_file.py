"""Facts from a CSV file with a header line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from factneurons.facts.formats.tables import OPTIONS, facts_from_rows
from factneurons.facts.reading import Format, Reading, Request
from factneurons.facts.rows import csv_rows
from factneurons.facts.types import Fact


def read(request: Request, reading: Reading) -> Iterator[Fact]:
    """One fact per row, or per group of rows with the same id."""
    yield from facts_from_rows(csv_rows(request.path), request, reading)


def _files(request: Request) -> tuple[Path, ...]:
    return (request.file(),)


FORMAT = Format("csv", "FILE", "Facts as CSV", read, _files, OPTIONS)
