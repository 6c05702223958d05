"""Settings, declared once: the default, the range, the choices and the help of every option.

In: a frozen dataclass whose fields are made by `option` and whose `__post_init__` calls `check`. Out: one sentence for
every value that is refused, one way of `settings=None, **options`, and what the command line makes its options from.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Collection, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, fields, is_dataclass
from difflib import get_close_matches
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Any, Literal, NoReturn, TypedDict, TypeVar, Union, Unpack, get_args, get_origin, get_type_hints

from factneurons.errors import BadSetting

T = TypeVar("T")


class Limits(TypedDict, total=False):
    """Where a number must be: at least, at most (the bound is valid), above, below (it is not)."""

    least: float
    above: float
    most: float
    below: float


_LIMITS: dict[str, tuple[Callable[[Any, Any], bool], str]] = {
    "least": (operator.ge, "at least"),
    "above": (operator.gt, "above"),
    "most": (operator.le, "at most"),
    "below": (operator.lt, "below"),
}


@dataclass(frozen=True, slots=True)
class Option:
    """A field of a settings record, as the command line and the documentation read it.

    Attributes:
        name: the field's name.
        kind: bool, int, float, str, tuple, dict, or the class of a record within the record.
        part: of a tuple, the type of its parts.
        optional: whether None is valid too.
        default: its default.
        help: what it is, in sentences.
        choices: the valid names, of a tuple those of its parts; (): whatever the type allows.
        limits: where a number must be.
    """

    name: str
    kind: type
    part: type | None
    optional: bool
    default: Any
    help: str
    choices: tuple[str, ...]
    limits: Limits


def option(default: T, help: str, *, choices: Collection[str] = (), **limits: Unpack[Limits]) -> T:
    """A field of a settings record.

    Args:
        default: its default; a dict or a record is copied for every new record.
        help: what it is, in sentences; "{choices}" becomes the valid names with commas between them.
        choices: the valid names; a field that is a Literal has them from there.
        **limits: where a number must be.
    """
    metadata = {"default": default, "help": help, "choices": tuple(choices), "limits": limits}
    if isinstance(default, dict) or is_dataclass(default):
        return field(default_factory=lambda: deepcopy(default), metadata=metadata)
    return field(default=default, metadata=metadata)


def options_of(record: Any) -> tuple[Option, ...]:
    """The options of a settings record (its class), in the order of its fields."""
    hints = get_type_hints(record)
    return tuple(_option(each.name, hints[each.name], **each.metadata) for each in fields(record) if each.metadata)


def _option(name: str, hint: Any, default: Any, help: str, choices: tuple[str, ...], limits: Limits) -> Option:
    hints = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    hint = next(each for each in hints if each is not NoneType)
    part = get_args(hint)[0] if get_origin(hint) is tuple else None
    if get_origin(hint) is Literal:
        hint, choices = str, get_args(hint)
    text = help.replace("{choices}", ", ".join(choices))
    return Option(name, get_origin(hint) or hint, part, NoneType in hints, default, text, choices, limits)


def check(settings: Any) -> None:
    """Refuse a record with an impossible value.

    Raises:
        BadSetting: a value of another type, that is none of the choices, or out of range; says what is valid.
    """
    for each in options_of(type(settings)):
        value = getattr(settings, each.name)
        if value is None and each.optional:
            continue
        if each.part is None:
            _check_value(each, each.kind, value)
            continue
        if not isinstance(value, tuple):
            refuse(each.name, value, "a tuple")
        for part in value:
            _check_value(each, each.part, part)


def _check_value(option: Option, kind: type, value: object) -> None:
    if option.choices and kind is str:
        check_choice(option.name, value, option.choices)
    elif kind in (int, float):
        check_number(option.name, value, whole=kind is int, **option.limits)
    elif not isinstance(value, kind):
        words = {bool: "True or False", str: "a text"}
        refuse(option.name, value, words.get(kind, f"of the type {kind.__name__}"))


def check_choice(name: str, value: object, choices: Collection[str]) -> None:
    """Refuse a name that is none of the choices.

    Raises:
        BadSetting: it is none; the message lists them, and says which one may have been meant.
    """
    if value not in choices:
        near = get_close_matches(str(value), choices, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        refuse(name, value, f"one of: {', '.join(choices)}{hint}")


def check_number(name: str, value: object, *, whole: bool = False, **limits: Unpack[Limits]) -> None:
    """Refuse what is no finite number, or out of range.

    Raises:
        BadSetting: says where it must be.
    """
    said = _said(limits)
    if isinstance(value, bool) or not isinstance(value, Integral if whole else Real) or not math.isfinite(value):
        refuse(name, value, ("a whole number" if whole else "a number") + (f", {said}" if said else ""))
    if not all(_LIMITS[limit][0](value, bound) for limit, bound in _bounds(limits)):
        refuse(name, value, said)


def _said(limits: Limits) -> str:
    if set(limits) == {"least", "most"}:
        return f"from {limits['least']:g} to {limits['most']:g}"
    return " and ".join(f"{_LIMITS[limit][1]} {bound:g}" for limit, bound in _bounds(limits))


def _bounds(limits: Limits) -> list[tuple[str, float]]:
    return [(limit, bound) for limit in _LIMITS if isinstance(bound := limits.get(limit), int | float)]


def refuse(name: str, value: object, valid: str) -> NoReturn:
    """The one sentence of every refusal.

    Raises:
        BadSetting: always.
    """
    raise BadSetting(f"{name} is {value!r}: it must be {valid}")


def with_options(record: type[T], settings: T | None, options: Mapping[str, object]) -> T:
    """The settings of a function that takes `settings=None, **options`: all in one record, or some fields by name.

    Raises:
        BadSetting: both are given, an option that there is not, or an impossible value.
    """
    if settings is not None and options:
        names = ", ".join(options)
        raise BadSetting(f"settings are given and {names} too: give a record or its fields by name, not both")
    for name in options:
        check_choice("option", name, [each.name for each in options_of(record)])
    return record(**options) if settings is None else settings


def split_options(options: Mapping[str, object], *records: type) -> dict[type, dict[str, object]]:
    """The options of a function that takes several records, by record; one that several have (`seed`) goes to each.

    Raises:
        BadSetting: an option that none of them has.
    """
    names = {record: [each.name for each in fields(record)] for record in records}
    for name in options:
        check_choice("option", name, list(dict.fromkeys(name for own in names.values() for name in own)))
    return {record: {name: options[name] for name in own if name in options} for record, own in names.items()}
