"""What a table is made of: kinds of values, columns, tables, and how rows are checked on their way to disk.

No NaN and no infinity enters a table: a number that does not exist is stored as null where the column
says that it may be empty, and is refused everywhere else.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from factneurons.errors import BadFact, BadNumber

Row = Mapping[str, object]
"""One row: column name -> value, every column of the table present."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a column holds.

    Attributes:
        label: the kind in plain words, for the documentation.
        arrow: the type on disk.
        convert: turns a value that is not None into what Arrow takes; BadNumber, BadFact or TypeError if not.
    """

    label: str
    arrow: pa.DataType
    convert: Callable[[Any], object]


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


_NEURON = pa.struct([("layer", pa.int32()), ("index", pa.int32())])
_NAMED_NUMBER = pa.struct([("name", pa.string()), ("value", pa.float64())])

TEXT = Kind("text", pa.string(), _text)
INTEGER = Kind("integer", pa.int64(), operator.index)
NUMBER = Kind("number", pa.float64(), _number)
FLAG = Kind("true or false", pa.bool_(), _flag)
TEXTS = Kind("list of text", pa.list_(pa.string()), lambda value: [_text(item) for item in value])
INTEGERS = Kind("list of integers", pa.list_(pa.int64()), lambda value: [operator.index(item) for item in value])
NEURONS = Kind("list of {layer, index}", pa.list_(_NEURON), _neurons)
NAMED_NUMBERS = Kind("list of {name, value}", pa.list_(_NAMED_NUMBER), _named_numbers)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Attributes:
        name: the column's name.
        kind: what it holds.
        meaning: what it says, with the unit and the direction where there is one.
        optional: whether it may be empty (null); None, NaN and infinities are stored so.
        choices: the only values there are, where they are few.
    """

    name: str
    kind: Kind
    meaning: str
    optional: bool = False
    choices: tuple[str, ...] = ()

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


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a run.

    Attributes:
        name: the table's name, and the name of its file in every part.
        meaning: what one row is.
        columns: its columns; the first two are always the key: fact_id and language.
        order: the columns that sort it, beside the key.
    """

    name: str
    meaning: str
    columns: tuple[Column, ...]
    order: tuple[str, ...]

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema of the table's files."""
        return pa.schema([pa.field(column.name, column.kind.arrow) for column in self.columns])

    @property
    def sort_keys(self) -> tuple[str, ...]:
        """The columns that give the table its canonical order."""
        return ("fact_id", "language", *self.order)

    def to_arrow(self, rows: Sequence[Row]) -> pa.Table:
        """The rows as an Arrow table.

        Raises:
            BadNumber: a NaN, an infinity or nothing where a number must be; names table, column and fact.
            BadFact: a text that is not valid Unicode.
            TypeError: a row with missing or unknown columns, or a value of another kind.
        """
        names = [column.name for column in self.columns]
        for row in rows:
            if row.keys() != set(names):
                odd = sorted(set(names).symmetric_difference(row.keys()))
                raise TypeError(f"table {self.name!r}: columns missing or unknown: {', '.join(odd)}")
        arrays = [
            pa.array([self._cell(column, row) for row in rows], type=column.kind.arrow) for column in self.columns
        ]
        return pa.Table.from_arrays(arrays, schema=self.schema)

    def _cell(self, column: Column, row: Row) -> object:
        try:
            return column.convert(row[column.name])
        except (BadNumber, BadFact, TypeError) as error:
            kind = type(error)
            where = f"fact {row['fact_id']!r} ({row['language']}), table {self.name!r}, column {column.name!r}"
            raise kind(f"{where}: {error}") from error
