"""Rows with named columns, and reading them from CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from factneurons.facts.pieces import LONGEST, decode, opened, records
from factneurons.facts.problems import BadRecord, shown

_UTF8_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Row:
    """One row: where it is, its number from 1, its cells by their column's name, or why there are none."""

    where: str
    number: int
    cells: Mapping[str, Any]
    problem: BadRecord | None = None


class _Lines:
    """The lines of a file as text for `csv.reader`; goes on after a line that cannot be decoded."""

    def __init__(self, path: Path) -> None:
        self.file = opened(path)
        self.first = True

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self.file.readline(LONGEST + 1)
        if not line:
            raise StopIteration
        if len(line) > LONGEST:
            while (rest := self.file.readline(LONGEST)) and not rest.endswith(b"\n"):
                pass
            raise BadRecord("too_long", f"the line is longer than {LONGEST // 2**20} MiB")
        if self.first:
            self.first = False
            line = line.removeprefix(_UTF8_MARK)
        return decode(line)


def json_rows(path: Path) -> Iterator[Row]:
    """The objects of a JSON list or of JSON lines; their fields are the columns."""
    for number, piece in enumerate(records(path), start=1):
        try:
            yield Row(piece.where, number, piece.fields().as_mapping())
        except BadRecord as problem:
            yield Row(piece.where, number, {}, problem)


def csv_rows(path: Path, delimiter: str = ",", *, quoted: bool = True) -> Iterator[Row]:
    """The rows of a CSV file with a header line (RFC 4180; a byte order mark, as Excel writes it, is fine).

    Args:
        path: the file, plain or packed with gzip.
        delimiter: what stands between two cells.
        quoted: whether quotation marks around a cell are no part of it.

    Raises:
        BadRecord: the header cannot be used. A row that cannot be read comes as a row with a problem.
    """
    lines = _Lines(path)
    with lines.file:
        reader = csv.reader(
            lines, strict=True, delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
        )
        names: list[str] | None = None
        number, broken_lines = 0, 0
        while True:
            line = reader.line_num + broken_lines + 1
            problem: BadRecord | None = None
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                cells = []
                problem = BadRecord("unreadable", f"no valid CSV: {error}")
            except BadRecord as error:
                cells = []
                problem = error
                broken_lines += 1
            where = f"{path}:{line}"
            if names is None:
                names = _header(cells, problem, where)
            elif cells or problem:
                number += 1
                yield _row(where, number, names, cells, problem)


def _header(cells: list[str], problem: BadRecord | None, where: str) -> list[str]:
    if problem is not None:
        raise problem.at(where)
    names = [cell.strip() for cell in cells]
    if len(names) == 1 and "\t" in names[0]:
        raise BadRecord("unreadable", "this looks tab-separated: name the file .tsv, or read it as tsv:FILE", where)
    double = next((name for name in names if names.count(name) > 1), None)
    if double is not None:
        raise BadRecord("duplicate_field", f"two columns are called {shown(double)}", where)
    return names


def _row(where: str, number: int, names: list[str], cells: list[str], problem: BadRecord | None) -> Row:
    if problem is None and len(cells) != len(names):
        detail = f"the row has {len(cells)} cells, the header {len(names)}"
        problem = BadRecord("unreadable", f"{detail}; was it cut off, or is a quotation mark missing?")
    return Row(where, number, {} if problem else dict(zip(names, cells, strict=True)), problem)
