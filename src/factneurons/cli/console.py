"""Lines of results, notes and warnings, and the one line that a person gets when something fails."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from rich.console import Console

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_LONGEST = 2_000

err = Console(highlight=False, soft_wrap=True, markup=False, emoji=False, stderr=True)


def harmless(text: str) -> str:
    """The text with control characters written out: those of a file's name, a prompt or a table reach no terminal.

    Characters that turn the direction of text are among them; a tab and a line's end stay.
    """
    return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)


def cut(text: str) -> str:
    """A message without the middle of what is too long to read."""
    half = _LONGEST // 2
    return text if len(text) <= _LONGEST else f"{text[:half]} ... {text[-half:]}"


def say(text: str) -> None:
    """Print a line of results."""
    sys.stdout.write(f"{harmless(text)}\n")


def tell(text: str) -> None:
    """Print a line about what is going on, to standard error."""
    err.print(harmless(text), style="dim")


def fail(text: str) -> None:
    """Print the one line that says what is wrong, after what was said before, if that can still be written."""
    with suppress(OSError):
        sys.stdout.flush()
    err.print("error: " + cut(harmless(" ".join(part.strip() for part in text.splitlines()))), style="red")


@contextmanager
def short_warnings() -> Iterator[None]:
    """Show warnings as single lines, each kind once, and say at the end how many more there were."""
    seen: dict[str, int] = {}

    def show(message: Warning | str, category: type[Warning], *_: object) -> None:
        text = " ".join(str(message).split("\n"))
        kind = text.partition(", prompt ")[0]
        seen[kind] = seen.get(kind, 0) + 1
        if seen[kind] == 1:
            err.print(cut(harmless(f"warning: {text}")), style="yellow")

    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = show  # type: ignore[assignment]
        try:
            yield
        finally:
            for kind, count in seen.items():
                if count > 1:
                    err.print(f"warning: {kind}: {count - 1} more of this kind", style="yellow")
