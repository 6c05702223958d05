"""Results as JSON files, written and read back by the types of their fields.

A file is {"format": "factneurons NAME 1", "value": ...}: a record is an object of its fields, a neuron [layer, index],
a number that is none "nan", "inf" or "-inf". What is read is checked field by field, and nothing in it is run.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, ClassVar, Literal, Self, Union, get_args, get_origin, get_type_hints

from factneurons.errors import BadFact, BadSetting
from factneurons.facts.pieces import parse_json
from factneurons.facts.problems import shown
from factneurons.tables import ResultTable, ResultType, Table

_NO_NUMBERS = ("nan", "inf", "-inf")


class Saved:
    """What can be kept in a file: a frozen dataclass of records, tuples, mappings by text, texts and numbers."""

    __slots__ = ()

    def to_json(self) -> str:
        """Everything of it as strict JSON, which `load` reads from a file."""
        record = {"format": _format(type(self)), "value": _plain(self._kept())}
        return json.dumps(record, ensure_ascii=False, allow_nan=False)

    def save(self, path: Path | str) -> Path:
        """Write it into a file, there whole or not at all; returns its path.

        Raises:
            BadSetting: it cannot be written.
        """
        path = Path(path)
        part = path.with_name(f"{path.name}.part")
        try:
            part.write_text(self.to_json() + "\n", encoding="utf-8")
            os.replace(part, path)
        except OSError as error:
            raise BadSetting(f"{path}: cannot be written: {error.strerror or error}") from error
        finally:
            part.unlink(missing_ok=True)
        return path

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read what `save` wrote.

        Raises:
            BadSetting: it cannot be read, or is a file of another form; says where.
        """
        try:
            record = parse_json(Path(path).read_bytes())
        except OSError as error:
            raise BadSetting(f"{path}: cannot be read: {error.strerror or error}") from error
        except BadFact as error:
            raise BadSetting(f"{path}: {error}") from error
        if not isinstance(record, dict) or record.get("format") != _format(cls) or "value" not in record:
            found = shown(str(record.get("format"))) if isinstance(record, dict) and "format" in record else "none"
            raise BadSetting(
                f"{path}: its format is {found}, not {_format(cls)!r}: {cls.__name__}.load reads what its save wrote"
            )
        try:
            return cls._of(_read(cls._kind(), record["value"], "value"))
        except (BadFact, ValueError) as error:
            raise BadSetting(f"{path}: {error}") from error

    def _kept(self) -> object:
        """What is written of it."""
        return self

    @classmethod
    def _kind(cls) -> Any:
        """The type of that."""
        return cls

    @classmethod
    def _of(cls, kept: Any) -> Self:
        """It, made of that."""
        found: Self = kept
        return found


class SavedTable(ResultTable[ResultType], Saved):
    """A table of results that can be kept in a file; a subclass says of which results, and what they are seen as."""

    result: ClassVar[type]
    seen_as: ClassVar[tuple[Table[Any], ...]]

    @classmethod
    def of(cls, results: Iterable[ResultType]) -> Self:
        """The table of these results."""
        return cls(tuple(results), cls.seen_as)

    def _kept(self) -> tuple[ResultType, ...]:
        return self.rows

    @classmethod
    def _kind(cls) -> Any:
        return tuple[cls.result, ...]  # type: ignore[name-defined]

    @classmethod
    def _of(cls, kept: Iterable[ResultType]) -> Self:
        return cls.of(kept)


def _format(cls: type) -> str:
    return f"factneurons {cls.__name__} 1"


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    if is_dataclass(value):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple | frozenset):
        return [_plain(each) for each in (sorted(value) if isinstance(value, frozenset) else value)]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(float(value))
    return value


def _read(kind: Any, value: Any, where: str) -> Any:
    """The value of a type that JSON stands for; ValueError says where it is another."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):  # X | None is the only one
        (kind,) = (each for each in parts if each is not type(None))
        return None if value is None else _read(kind, value, where)
    if origin is Literal:
        return value if value in parts else _refuse(where, f"one of {', '.join(map(str, parts))}", value)
    if origin in (tuple, frozenset):
        items = [_read(parts[0], each, f"{where}[{n}]") for n, each in enumerate(_typed(list, value, where))]
        if origin is tuple and parts[-1] is not Ellipsis and len(items) != len(parts):  # all of one kind
            _refuse(where, f"a list of {len(parts)}", value)
        return origin(items)
    if origin is not None:  # a mapping by text
        return {name: _read(parts[1], each, f"{where}.{name}") for name, each in _typed(dict, value, where).items()}
    if is_dataclass(kind):
        return _record(kind, _typed(dict, value, where), where)
    if issubclass(kind, tuple):
        return _named_tuple(kind, _typed(list, value, where), where)
    return _number(value, where) if kind is float else _typed(kind, value, where)


def _record(kind: Any, value: dict[str, Any], where: str) -> Any:
    needed = {each.name for each in fields(kind) if each.default is MISSING and each.default_factory is MISSING}
    wrong = (needed - set(value)) | (set(value) - {each.name for each in fields(kind)})
    if wrong:
        raise ValueError(f"{where}: missing or unknown: {', '.join(sorted(map(shown, wrong)))}")
    hints = _hints(kind)
    make: Callable[..., Any] = kind
    return make(**{name: _read(hints[name], each, f"{where}.{name}") for name, each in value.items()})


def _named_tuple(kind: Any, value: list[Any], where: str) -> Any:
    hints = _hints(kind)
    if len(value) != len(hints):
        _refuse(where, f"[{', '.join(hints)}]", value)
    return kind(
        *(_read(hint, each, f"{where}.{name}") for (name, hint), each in zip(hints.items(), value, strict=True))
    )


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _typed(kind: type, value: Any, where: str) -> Any:
    return value if type(value) is kind else _refuse(where, kind.__name__, value)


def _number(value: Any, where: str) -> float:
    if type(value) in (int, float) or (type(value) is str and value in _NO_NUMBERS):
        return float(value)
    return float(_refuse(where, "a number", value))


def _refuse(where: str, wanted: str, value: Any) -> Any:
    raise ValueError(f"{where}: it must be {wanted}, not {shown(str(value))}")
