"""Options of functions that take several records of settings: every option goes to the records that know its name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from factneurons.errors import BadSetting

T = TypeVar("T")


def split(options: Mapping[str, object], *records: type) -> dict[type, dict[str, object]]:
    """Which options belong to which record; `seed` belongs to all that have one.

    Raises:
        BadSetting: an option that no record knows.
    """
    names = {record: [each.name for each in fields(record)] for record in records}
    valid = dict.fromkeys(name for own in names.values() for name in own)
    for name in options:
        if name not in valid:
            raise BadSetting(f"unknown setting {name!r}; valid: {', '.join(valid)}")
    return {record: {name: options[name] for name in own if name in options} for record, own in names.items()}


def with_options(record: type[T], settings: T | None, options: Mapping[str, Any]) -> T:
    """All settings in one record, or some fields by name.

    Raises:
        BadSetting: both are given, or an impossible value.
    """
    if settings is not None and options:
        raise BadSetting(f"settings are given and {', '.join(options)} too: give a record or its fields, not both")
    return record(**options) if settings is None else settings
