"""The command that makes a run: kept with every start, so that others can join it without being told anything."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

_ARGUMENTS: ContextVar[tuple[str, ...]] = ContextVar("arguments", default=())


@contextmanager
def made_by(arguments: Sequence[str]) -> Iterator[None]:
    """Inside, runs are made by `factneurons` with these arguments."""
    token = _ARGUMENTS.set(tuple(arguments))
    try:
        yield
    finally:
        _ARGUMENTS.reset(token)


def arguments() -> tuple[str, ...]:
    """What stands after `factneurons`; nothing, if runs are made from Python."""
    return _ARGUMENTS.get()


def command_line() -> str:
    """The command as it is typed, or how this process was started."""
    name, *rest = ("factneurons", *arguments()) if arguments() else sys.argv
    return subprocess.list2cmdline([Path(name).name, *rest])
