"""Typed access to the fields of one record; whatever is missing or of another type is a clear error."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from factneurons.facts.problems import BadRecord, shown

_KINDS: Mapping[type, str] = {
    dict: "an object",
    list: "a list",
    str: "a text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    type(None): "null",
}


def kind(value: object) -> str:
    """What a JSON value is, in words."""
    return _KINDS.get(type(value), type(value).__name__)


def check_text(value: object, name: str) -> str:
    """A text with something in it, without NUL and without half surrogate pairs.

    Raises:
        BadRecord: it is anything else.
    """
    if not isinstance(value, str):
        raise BadRecord("wrong_type", f"the field {name!r} must be a text, not {kind(value)}: {shown(value)}")
    if not value.strip():
        raise BadRecord("empty_field", f"the field {name!r} is empty")
    if "\0" in value:
        raise BadRecord("encoding", f"the field {name!r} contains a NUL character: {shown(value)}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadRecord("encoding", f"the field {name!r} has half a surrogate pair: {shown(value)}") from None
    return value


def check_wrong_answers(answer: str, aliases: tuple[str, ...], wrong_answers: tuple[str, ...]) -> None:
    """Refuse a wrong answer that is right.

    Raises:
        BadRecord: one of them is the answer or an alias.
    """
    right = {answer.strip(), *(alias.strip() for alias in aliases)}
    for wrong in wrong_answers:
        if wrong.strip() in right:
            detail = f"the wrong answer {shown(wrong)} is also given as a right one"
            raise BadRecord("wrong_answer_is_right", detail)


class Fields:
    """The fields of one JSON object. `path` names the object within its record, for messages.

    Raises:
        BadRecord: it is no object. Every method: the field is missing, or of another type.
    """

    def __init__(self, value: object, path: str = "") -> None:
        if not isinstance(value, dict):
            what = f"the field {path!r}" if path else "a record"
            raise BadRecord("wrong_type", f"{what} must be an object, not {kind(value)}: {shown(value)}")
        self._fields: dict[str, Any] = value
        self._path = path

    def __contains__(self, name: str) -> bool:
        return self._fields.get(name) is not None

    def only(self, names: Collection[str]) -> None:
        """Refuse fields that are not in `names`; those that start with an underscore are notes."""
        unknown = [name for name in self._fields if name not in names and not name.startswith("_")]
        if unknown:
            valid = ", ".join(sorted(names))
            raise BadRecord("unknown_field", f"no field is called {shown(unknown[0])}; valid are {valid}")

    def names(self) -> tuple[str, ...]:
        """The names of the fields."""
        return tuple(self._fields)

    def as_mapping(self) -> Mapping[str, Any]:
        """The fields by name, as they are."""
        return self._fields

    def value(self, name: str) -> Any:
        """The field as it is."""
        if name not in self._fields:
            raise BadRecord("missing_field", f"the field {self._full(name)!r} is missing")
        return self._fields[name]

    def text(self, name: str) -> str:
        """A text with something in it."""
        return check_text(self.value(name), self._full(name))

    def text_or(self, name: str, default: str) -> str:
        """A text with something in it, or `default` if the field is not there or null."""
        return self.text(name) if name in self else default

    def identifier(self, name: str) -> str:
        """A text or a whole number, as a text."""
        value = self.value(name)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        return self.text(name)

    def items(self, name: str) -> list[Any]:
        """A list of anything."""
        value = self.value(name)
        if not isinstance(value, list):
            raise BadRecord(
                "wrong_type",
                f"the field {self._full(name)!r} must be a list, not {kind(value)}: {shown(value)}",
            )
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts, each with something in it."""
        return tuple(check_text(value, self._full(name)) for value in self.items(name))

    def texts_or_none(self, name: str) -> tuple[str, ...]:
        """A list of texts; () if the field is not there or null."""
        return self.texts(name) if name in self else ()

    def inner(self, name: str) -> Fields:
        """The object in a field."""
        return Fields(self.value(name), self._full(name))

    def inners(self, name: str) -> list[Fields]:
        """The objects in a list."""
        return [Fields(value, self._full(name)) for value in self.items(name)]

    def _full(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name
