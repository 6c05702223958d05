"""Facts from rows with named columns: what CSV, JSON, Parquet and hub data sets have in common, and the presets.

One row is one fact, or one prompt of a fact: rows of the same id and language that follow each other
are one fact, and may differ in the prompt only.
"""

from __future__ import annotations

import ast
import datetime
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from factneurons.facts.fields import check_text, check_wrong_answers, kind
from factneurons.facts.formats.advice import advice
from factneurons.facts.formats.patterns import ANSWER
from factneurons.facts.problems import BadRecord, shown
from factneurons.facts.reading import Option, Reading, Request
from factneurons.facts.rows import Row
from factneurons.facts.types import MASK_TOKENS, Fact, Prompt

REQUIRED = ("id", "relation", "subject", "answer")
SINGLE = (*REQUIRED, "language", "date")
SEVERAL = ("prompts", "aliases", "wrong_answers", "candidates")
COLUMNS = (*SINGLE, "prompt", *SEVERAL)
ROW_NUMBER = "#"
CONSTANT = "="
SEPARATOR = "|"
EITHER = "/"
BOTH = "+"
SLOTS = ("[X]", "{}", "<subject>")
"""What stands for the subject in somebody else's pattern, filled in where a row names its subject."""


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
        "where our columns are: OURS:THEIRS,...; THEIRS may be =TEXT for a constant, # for the row's number, "
        "A.B for a field inside a field, A.0 for the first of a list, A/B for the first that is there, A+B for both, "
        "A? for one that may be missing",
        {},
        parse_columns,
    ),
    "separator": Option("what stands between several texts in a cell that is no list", SEPARATOR),
    "blank": Option("what marks the blank, or `end`: it is at the end of prompts without one", ""),
}


def facts_from_rows(rows: Iterable[Row], request: Request, reading: Reading) -> Iterator[Fact]:
    """The facts of a table's rows, in one pass."""
    options = request.options
    mapper = _Mapper(options["columns"], options["blank"], options["separator"])
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

    def __init__(self, columns: Mapping[str, str], blank: str, separator: str = SEPARATOR) -> None:
        self.columns, self.separator = columns, separator
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
        if name not in self.columns:
            return row.cells.get(column)
        return found(column, row, self._several, self.separator)

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
                if column in row.cells or name in self.columns:
                    raise BadRecord("empty_field", f"the column {column!r} is empty")
                raise no_column(column, row)
        several = {name: self._several(self.cell(row, name), name) for name in SEVERAL}
        one = _text(self.cell(row, "prompt"), "prompt")
        texts = (*several.pop("prompts"), *(() if one is None else (one,)))
        several = _without_the_right_ones(single["answer"] or "", several)
        prompts = [self._prompt(text, single["subject"] or "") for text in texts]
        if not prompts:
            raise BadRecord("no_prompt", "it has no prompt; give a column `prompt` or `prompts`")
        return _Values(single, several, tuple(prompts))

    def _prompt(self, text: str, subject: str) -> Prompt:
        """A prompt; in somebody else's pattern the subject is filled in and [Y] is the blank."""
        slot = next((slot for slot in SLOTS if slot in text and slot not in self.marks), None)
        if slot is not None and subject not in text:
            text = text.replace(slot, subject)
        return Prompt.parse(text, *self.marks, ANSWER, blank_at_end=self.blank_at_end)

    def _several(self, value: Any, name: str) -> tuple[str, ...]:
        """A cell that holds several texts: a list (also one that is written out), or a text with separators in it."""
        if value is None or value == "":
            return ()
        if isinstance(value, str):
            value = _written_list(value, name) or value.split(self.separator)
        if not isinstance(value, list):
            raise BadRecord("wrong_type", f"the field {name!r} must be a list or a text, not {kind(value)}")
        return tuple(check_text(text, name).strip() for text in _flat(value))

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


def found(column: str, row: Row, several: Callable[[Any, str], tuple[str, ...]], separator: str) -> Any:
    """What `column` of the option `columns` says: A, A.B, A.0, A/B (the first there), A+B (both), A? (if there)."""
    if column in row.cells:
        return row.cells[column]
    if BOTH in column:
        parts = [found(part, row, several, separator) for part in column.split(BOTH)]
        return [text for part in parts for text in several(part, column)]
    column, optional = column.removesuffix("?"), column.endswith("?")
    values = [_walked(row.cells, path, separator) for path in column.split(EITHER)]
    there = [value for value in values if value is not _NOWHERE]
    if not there and not optional:
        raise no_column(column, row)
    return next((value for value in there if value not in (None, "", [])), None)


_NOWHERE = object()


def _walked(value: Any, path: str, separator: str) -> Any:
    """The value at A.B.0, _NOWHERE if there is none."""
    for step in path.split("."):
        if isinstance(value, str) and step.isdecimal():
            value = _written_list(value, path) or value.split(separator)
        if isinstance(value, Mapping) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        elif isinstance(value, list) and step.isdecimal():
            return None
        else:
            return _NOWHERE
    return value


def no_column(column: str, row: Row) -> BadRecord:
    """That a row has no such column, which it has, and what to type."""
    there = ", ".join(shown(str(name), 40)[1:-1] for name in row.cells)
    return BadRecord("missing_field", f"there is no column {column!r}, only {there}; {advice(row.cells)}")


def _without_the_right_ones(answer: str, several: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Aliases beside the answer; wrong answers, and of the candidates those that are not right.

    Raises:
        BadRecord: a wrong answer is a list that holds a right one.
    """
    aliases = tuple(dict.fromkeys(name for name in several["aliases"] if name != answer))
    wrong = several["wrong_answers"]
    for name in wrong:
        parts = [part.strip() for part in re.split("[,;/]", name)]
        if len(parts) > 1 and answer in parts:
            detail = (
                f"the wrong answer {shown(name)} holds the right one: is it a list? give separator=, and candidates"
            )
            raise BadRecord("wrong_answer_is_right", detail)
    drawn = (name for name in several["candidates"] if name not in (answer, *aliases))
    return {"aliases": aliases, "wrong_answers": tuple(dict.fromkeys((*wrong, *drawn)))}


def _written_list(text: str, name: str) -> list[Any] | None:
    """The list that a cell writes out, as JSON or as Python does; None: it is a text.

    Raises:
        BadRecord: it begins and ends like a list and is none.
    """
    bare = text.strip()
    if not (bare.startswith("[") and bare.endswith("]")) or any(
        slot in bare for slot in (*SLOTS, ANSWER, *MASK_TOKENS)
    ):
        return None
    for parse in (json.loads, ast.literal_eval):
        try:
            value = parse(bare)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(value, list):
            return value
    raise BadRecord("wrong_type", f"the field {name!r} looks like a list and is none: {shown(text)}")


def _flat(values: list[Any]) -> Iterator[Any]:
    for value in values:
        yield from _flat(value) if isinstance(value, list) else (value,)


def _text(value: Any, name: str) -> str | None:
    """A cell as a text, None if it is empty. Whole numbers and dates are written out."""
    if isinstance(value, (int, datetime.date)) and not isinstance(value, bool):
        return str(value)
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    return check_text(value, name)
