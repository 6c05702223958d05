"""What a table is: kinds of values, columns, and how a record becomes a row, a frame and a file.

A table is declared once, beside the records it is made of (`<room>/tables.py`): for every column its name, kind and
meaning, and a plain function that reads it off the record. Rows, frames in memory, files and documentation come from
that list, so a result shows the same columns and numbers as the run that keeps it.

No NaN and no infinity enters a table: a number that does not exist is null where the column says that it may be
empty, and is refused everywhere else.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import numpy as np

from factneurons.errors import BadFact, BadNumber, BadRun, BadSetting

if TYPE_CHECKING:  # pandas and pyarrow are slow to import: a program that only declares or describes needs neither
    import pandas as pd
    import pyarrow as pa

Row = Mapping[str, object]
"""One row: column name -> value, every column of the table present."""

RecordType = TypeVar("RecordType", contravariant=True)


@dataclass(frozen=True, slots=True)
class Kind:
    """What a column holds.

    Attributes:
        label: the kind in plain words, for the documentation.
        convert: turns a value that is not None into what Arrow takes; BadNumber, BadFact or TypeError if not.
    """

    label: str
    convert: Callable[[Any], object]

    @property
    def arrow(self) -> pa.DataType:
        """The type on disk."""
        return _arrow_types()[self.label]


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a text is needed, not {value!r}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise BadFact(f"a text that is not valid Unicode: {value!r}") from error
    return value


def _number(value: float) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise BadNumber(f"{number} where a number must be")
    return number


def _flag(value: object) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"yes or no is needed, not {value!r}")
    return bool(value)


def _neurons(value: Iterable[tuple[int, int]]) -> list[dict[str, int]]:
    return [{"layer": operator.index(layer), "index": operator.index(index)} for layer, index in value]


def _named_numbers(value: Mapping[str, float]) -> list[dict[str, object]]:
    return [
        {"name": _text(name), "value": float(number) if math.isfinite(number) else None}
        for name, number in sorted(value.items())
    ]


TEXT = Kind("text", _text)
INTEGER = Kind("integer", operator.index)
NUMBER = Kind("number", _number)
FLAG = Kind("true or false", _flag)
TEXTS = Kind("list of text", lambda value: [_text(item) for item in value])
INTEGERS = Kind("list of integers", lambda value: [operator.index(item) for item in value])
NEURONS = Kind("list of {layer, index}", _neurons)
NAMED_NUMBERS = Kind("list of {name, value}", _named_numbers)


@cache
def _arrow_types() -> dict[str, pa.DataType]:
    import pyarrow as pa

    neuron = pa.struct([("layer", pa.int32()), ("index", pa.int32())])
    named_number = pa.struct([("name", pa.string()), ("value", pa.float64())])
    return {
        TEXT.label: pa.string(),
        INTEGER.label: pa.int64(),
        NUMBER.label: pa.float64(),
        FLAG.label: pa.bool_(),
        TEXTS.label: pa.list_(pa.string()),
        INTEGERS.label: pa.list_(pa.int64()),
        NEURONS.label: pa.list_(neuron),
        NAMED_NUMBERS.label: pa.list_(named_number),
    }


@dataclass(frozen=True, slots=True)
class Formerly:
    """What a column and its values were called in files of older versions, which still read.

    Attributes:
        name: the column's old name.
        values: old value -> value; others are what they were.
    """

    name: str
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Column(Generic[RecordType]):
    """One column of a table.

    Attributes:
        name: the column's name.
        kind: what it holds.
        meaning: what it says, with the unit and the direction where there is one.
        get: reads its value off a record.
        optional: whether it may be empty (null); None, NaN and infinities are stored so.
        choices: the only values there are, where they are few.
        formerly: its old name and values.
    """

    name: str
    kind: Kind
    meaning: str
    get: Callable[[RecordType], object]
    optional: bool = False
    choices: tuple[str, ...] = ()
    formerly: Formerly | None = None

    def convert(self, value: object) -> object:
        """The value as Arrow takes it.

        Raises:
            BadNumber: no number in a column that may not be empty.
            TypeError: a value of another kind.
        """
        missing = value is None or (isinstance(value, float | np.floating) and not math.isfinite(value))
        if missing and self.optional:
            return None
        if value is None:
            raise BadNumber("nothing where a value must be")
        converted = self.kind.convert(value)
        if self.choices and converted not in self.choices:
            raise TypeError(f"{converted!r} is none of: {', '.join(self.choices)}")
        return converted

    def read_from(self, stored: pa.Table) -> pa.ChunkedArray | pa.Array | None:
        """The column in a file, under its old name where the file is old; null where it did not exist yet."""
        import pyarrow as pa

        if self.name in stored.column_names:
            return stored[self.name]
        if self.formerly is not None and self.formerly.name in stored.column_names:
            values = [self.formerly.values.get(value, value) for value in stored[self.formerly.name].to_pylist()]
            return pa.array(values, type=self.kind.arrow)
        return pa.nulls(len(stored), type=self.kind.arrow) if self.optional else None


def _itself(result: Any) -> Iterable[Any]:
    return (result,)


@dataclass(frozen=True, slots=True)
class Table(Generic[RecordType]):
    """One table.

    Attributes:
        name: the table's name, and the name of its file in every part of a run.
        meaning: what one row is.
        columns: its columns; the first two are always the key: fact_id and language.
        order: the columns that sort it, beside the key.
        records: the records, one per row, of one result (of what the science returns for a fact); the result itself
            where there is one row for it.
    """

    name: str
    meaning: str
    columns: tuple[Column[RecordType], ...]
    order: tuple[str, ...] = ()
    records: Callable[[Any], Iterable[RecordType]] = _itself

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [column.name for column in self.columns]

    @property
    def sort_keys(self) -> tuple[str, ...]:
        """The columns that give the table its canonical order."""
        return ("fact_id", "language", *self.order)

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema of the table's files."""
        import pyarrow as pa

        return pa.schema([pa.field(column.name, column.kind.arrow) for column in self.columns])

    def row(self, record: RecordType) -> Row:
        """The row of one record."""
        return {column.name: column.get(record) for column in self.columns}

    def rows(self, results: Iterable[Any]) -> list[Row]:
        """The rows of some results, in their order."""
        return [self.row(record) for result in results for record in self.records(result)]

    def frame(self, results: Iterable[Any]) -> pd.DataFrame:
        """The rows of some results as a frame, equal to what a run gives that keeps them.

        Raises:
            BadNumber, BadFact, TypeError: as `to_arrow`.
        """
        frame: pd.DataFrame = self.to_arrow(self.rows(results)).to_pandas()
        return frame

    def to_arrow(self, rows: Sequence[Row]) -> pa.Table:
        """The rows as an Arrow table.

        Raises:
            BadNumber: a NaN, an infinity or nothing where a number must be; names table, column and fact.
            BadFact: a text that is not valid Unicode.
            TypeError: a row with missing or unknown columns, or a value of another kind.
        """
        import pyarrow as pa

        names = set(self.names)
        for row in rows:
            if row.keys() != names:
                odd = sorted(names.symmetric_difference(row.keys()))
                raise TypeError(f"table {self.name!r}: columns missing or unknown: {', '.join(odd)}")
        arrays = [
            pa.array([self._cell(column, row) for row in rows], type=column.kind.arrow) for column in self.columns
        ]
        return pa.Table.from_arrays(arrays, schema=self.schema)

    def stored_names(self, columns: Sequence[str] | None = None) -> list[str]:
        """What these columns (None: all) are, or were, called in files."""
        wanted = [column for column in self.columns if columns is None or column.name in columns]
        return [name for each in wanted for name in (each.name, each.formerly.name if each.formerly else "") if name]

    def from_arrow(self, stored: pa.Table, columns: Sequence[str] | None = None) -> pa.Table:
        """What a file holds, with the columns (None: all) and values as they are called now.

        Raises:
            BadRun: a column is missing.
        """
        import pyarrow as pa

        if stored.column_names == self.names:
            return stored
        wanted = [column for column in self.columns if columns is None or column.name in columns]
        arrays = {column.name: column.read_from(stored) for column in wanted}
        missing = [name for name, array in arrays.items() if array is None]
        if missing:
            raise BadRun(f"a file of the table {self.name!r} lacks: {', '.join(missing)}")
        schema = pa.schema([self.schema.field(name) for name in arrays])
        return pa.Table.from_arrays(list(arrays.values()), schema=schema)

    def _cell(self, column: Column[RecordType], row: Row) -> object:
        try:
            return column.convert(row[column.name])
        except (BadNumber, BadFact, TypeError) as error:
            kind = type(error)
            where = f"fact {row['fact_id']!r} ({row['language']}), table {self.name!r}, column {column.name!r}"
            raise kind(f"{where}: {error}") from error

    def describe(self) -> str:
        """Its columns as a Markdown table."""
        lines = ["| column | type | meaning |", "| --- | --- | --- |"]
        for column in self.columns:
            meaning = column.meaning.replace("|", "\\|")
            lines.append(f"| `{column.name}` | {column.kind.label} | {meaning} |")
        return "\n".join(lines)


def rows_of(tables: Iterable[Table[Any]], results: Iterable[Any]) -> dict[str, list[Row]]:
    """The rows of some results in several tables: table name -> rows."""
    everything = tuple(results)
    return {table.name: table.rows(everything) for table in tables}


class _Fact(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def language(self) -> str: ...
    @property
    def relation(self) -> str: ...


class AboutFact(Protocol):
    """A record about one fact."""

    @property
    def fact(self) -> _Fact:
        """The fact."""


KEY: tuple[Column[AboutFact], ...] = (
    Column("fact_id", TEXT, "the fact's id", lambda record: record.fact.id),
    Column(
        "language",
        TEXT,
        "its language; fact_id and language together name one fact of the run",
        lambda record: record.fact.language,
    ),
)
"""The first columns of every table whose rows are about one fact."""

RELATION: Column[AboutFact] = Column("relation", TEXT, "the fact's relation", lambda record: record.fact.relation)

ResultType = TypeVar("ResultType", bound=AboutFact)


@dataclass(frozen=True)
class ResultTable(Generic[ResultType]):
    """What was found for many facts, in the order they were asked.

    Iterate over it, take its length, look a result up by its place, by the fact's id, or by (id, language) where
    several languages share the id, or see it as a frame.

    Attributes:
        rows: one result per fact.
        tables: the tables that it can be seen as, the main one first.
    """

    rows: tuple[ResultType, ...]
    tables: tuple[Table[Any], ...] = field(repr=False)

    def __iter__(self) -> Iterator[ResultType]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: int | str | tuple[str, str]) -> ResultType:
        """The result at a place, or of a fact.

        Raises:
            BadFact: no such fact, or an id alone where several languages have it.
            IndexError: no such place.
        """
        if isinstance(key, int):
            return self.rows[key]
        wanted, language = (key, None) if isinstance(key, str) else key
        found = [row for row in self.rows if row.fact.id == wanted and language in (None, row.fact.language)]
        if not found:
            raise BadFact(f"fact {key!r}: it is not among the {len(self.rows)} of this table")
        if len({row.fact.language for row in found}) > 1:
            languages = ", ".join(row.fact.language for row in found)
            raise BadFact(f"fact {key!r}: it is here in {languages}; ask with (id, language)")
        if len(found) > 1:
            raise BadFact(f"fact {key!r}: it is here {len(found)} times; ask by place")
        return found[0]

    def to_frame(self, table: str | None = None) -> pd.DataFrame:
        """One of its tables as a frame, the main one unless another is named; the columns are those of a run.

        Raises:
            BadSetting: it has no such table.
        """
        for each in self.tables:
            if table in (None, each.name):
                return each.frame(self._results())
        known = ", ".join(each.name for each in self.tables)
        raise BadSetting(f"there is no table {table!r} of these results; there are: {known}")

    def _results(self) -> Iterable[Any]:
        """What its tables are read from."""
        return self.rows
