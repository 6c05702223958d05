"""Facts from a file of rows: CSV and TSV with a header line, a JSON list, or JSON lines with other people's fields."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from factneurons.facts.formats.tables import OPTIONS, facts_from_rows
from factneurons.facts.reading import Format, Reading, Request
from factneurons.facts.rows import csv_rows, json_rows
from factneurons.facts.types import Fact


def read(request: Request, reading: Reading) -> Iterator[Fact]:
    """One fact per row, or per group of rows with the same id."""
    yield from facts_from_rows(csv_rows(request.path), request, reading)


def read_tabs(request: Request, reading: Reading) -> Iterator[Fact]:
    """The same with tabs between cells."""
    yield from facts_from_rows(csv_rows(request.path, "\t"), request, reading)


def read_json(request: Request, reading: Reading) -> Iterator[Fact]:
    """The same of a JSON list of objects."""
    yield from facts_from_rows(json_rows(request.path), request, reading)


def one_file(request: Request) -> tuple[Path, ...]:
    """The file of the spec."""
    return (request.file(),)


FORMAT = Format("csv", "FILE", "Facts as CSV", read, one_file, OPTIONS)
TSV_FORMAT = Format("tsv", "FILE", "Facts as tab-separated text", read_tabs, one_file, OPTIONS)
JSON_FORMAT = Format("json", "FILE", "Facts as a JSON list", read_json, one_file, OPTIONS)
