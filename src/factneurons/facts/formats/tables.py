"""Facts from rows with named columns: what CSV, Parquet and hub data sets have in common.

One row is one fact, or one prompt of a fact: rows of the same id and language that follow each other
are one fact, and may differ in the prompt only.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from factneurons.facts.fields import check_text, kind
from factneurons.facts.formats.own import check_wrong_answers
from factneurons.facts.problems import BadRecord, shown
from factneurons.facts.reading import Option, Reading, Request
from factneurons.facts.rows import Row
from factneurons.facts.types import Fact, Prompt

REQUIRED = ("id", "relation", "subject", "answer")
SINGLE = (*REQUIRED, "language", "date")
SEVERAL = ("prompts", "aliases", "wrong_answers")
COLUMNS = (*SINGLE, "prompt", *SEVERAL)
ROW_NUMBER = "#"
CONSTANT = "="
SEPARATOR = "|"


def parse_columns(text: str) -> Mapping[str, str]:
    """Parse "answer:obj_label,relation:=capital,id:#": our column, and theirs, a constant or the row's number."""
    columns: dict[str, str] = {}
    for part in text.split(","):
        ours, colon, theirs = part.partition(":")
        if not colon or not theirs or ours not in COLUMNS:
            raise ValueError(f"{part!r} must be OURS:THEIRS, where OURS is one of {', '.join(COLUMNS)}")
        columns[ours] = theirs
    return columns


OPTIONS: Mapping[str, Option] = {
    "columns": Option(
        "where our columns are: OURS:THEIRS,...; THEIRS may be =TEXT for a constant, # for the row's number",
        {},
        parse_columns,
    ),
    "blank": Option("what marks the blank, or `end`: it is at the end of prompts without one", ""),
}


def facts_from_rows(rows: Iterable[Row], request: Request, reading: Reading) -> Iterator[Fact]:
    """The facts of a table's rows, in one pass."""
    mapper = _Mapper(request.options["columns"], request.options["blank"])
    for _, group in groupby(rows, mapper.identity):
        first, *further = group
        with reading.record(first.where) as slot:
            slot.fact_id = mapper.cell_or(first, "id", "")
            values = mapper.values(first)
            prompts = [*values.prompts]
            for row in further:
                prompts += mapper.prompts_of_same(row, values)
            yield mapper.fact(values, reading.distinct(prompts, first.where, slot.fact_id), first.where)


@dataclass(frozen=True, slots=True)
class _Values:
    single: Mapping[str, str | None]
    several: Mapping[str, tuple[str, ...]]
    prompts: tuple[Prompt, ...]


class _Mapper:
    """Reads cells through the `columns` and `blank` options."""

    def __init__(self, columns: Mapping[str, str], blank: str) -> None:
        self.columns = columns
        self.blank_at_end = blank == "end"
        self.marks = (blank,) if blank and not self.blank_at_end else ()

    def identity(self, row: Row) -> object:
        """What rows of the same fact have in common."""
        if row.problem is not None:
            return row.number
        return self.cell_or(row, "id", row.number), self.cell_or(row, "language", None)

    def cell(self, row: Row, name: str) -> Any:
        """The cell of our column `name`, None if the table has none."""
        column = self.columns.get(name, name)
        if column == ROW_NUMBER:
            return str(row.number)
        if column.startswith(CONSTANT):
            return column.removeprefix(CONSTANT)
        if name in self.columns and column not in row.cells:
            raise _no_column(column, row)
        return row.cells.get(column)

    def cell_or(self, row: Row, name: str, default: Any) -> Any:
        """The cell if it is a text, else `default`; never a problem."""
        try:
            return _text(self.cell(row, name), name) or default
        except BadRecord:
            return default

    def values(self, row: Row) -> _Values:
        """Everything a row says."""
        if row.problem is not None:
            raise row.problem
        single = {name: _text(self.cell(row, name), name) for name in SINGLE}
        for name in REQUIRED:
            if single[name] is None:
                column = self.columns.get(name, name)
                if column in row.cells:
                    raise BadRecord("empty_field", f"the column {column!r} is empty")
                raise _no_column(column, row)
        several = {name: _texts(self.cell(row, name), name) for name in SEVERAL}
        texts = several.pop("prompts")
        one = _text(self.cell(row, "prompt"), "prompt")
        prompts = [Prompt.parse(text, *self.marks, blank_at_end=self.blank_at_end) for text in texts]
        if one is not None:
            prompts.append(Prompt.parse(one, *self.marks, blank_at_end=self.blank_at_end))
        if not prompts:
            raise BadRecord("no_prompt", "it has no prompt; give a column `prompt` or `prompts`")
        return _Values(single, several, tuple(prompts))

    def prompts_of_same(self, row: Row, first: _Values) -> tuple[Prompt, ...]:
        """The prompts of a further row of a fact."""
        try:
            values = self.values(row)
        except BadRecord as problem:
            raise problem.at(row.where) from None
        for name, value in (*values.single.items(), *values.several.items()):
            expected = {**first.single, **first.several}[name]
            if value != expected:
                detail = f"its {name} is {shown(value)} but {shown(expected)} in the row before it"
                raise BadRecord("rows_disagree", detail, row.where)
        return values.prompts

    def fact(self, values: _Values, prompts: tuple[Prompt, ...], where: str) -> Fact:
        """The fact of a group of rows."""
        single, several = values.single, values.several
        answer = single["answer"] or ""
        check_wrong_answers(answer, several["aliases"], several["wrong_answers"])
        return Fact(
            id=single["id"] or "",
            relation=single["relation"] or "",
            subject=single["subject"] or "",
            answer=answer,
            language=single["language"] or "en",
            prompts=prompts,
            date=single["date"],
            aliases=several["aliases"],
            wrong_answers=several["wrong_answers"],
            source=where,
        )


def _no_column(column: str, row: Row) -> BadRecord:
    there = ", ".join(str(name) for name in row.cells)
    return BadRecord(
        "missing_field", f"there is no column {column!r}, only {there}; see the option `columns` in docs/facts.md"
    )


def _text(value: Any, name: str) -> str | None:
    """A cell as a text, None if it is empty. Whole numbers and dates are written out."""
    if isinstance(value, (int, datetime.date)) and not isinstance(value, bool):
        return str(value)
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    return check_text(value, name)


def _texts(value: Any, name: str) -> tuple[str, ...]:
    """A cell that holds several texts: a list, or a text with | between them."""
    if value is None or value == "":
        return ()
    if isinstance(value, str):
        value = value.split(SEPARATOR)
    if not isinstance(value, list):
        raise BadRecord("wrong_type", f"the field {name!r} must be a list or a text, not {kind(value)}")
    return tuple(check_text(text, name).strip() for text in value)
