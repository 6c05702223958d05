"""How the examples of a command stand in its help text; every command's file has its own, and a test runs them all."""

from __future__ import annotations

from collections.abc import Iterable


def shown(examples: Iterable[str]) -> str:
    """Command lines as the end of a help text, each on a line of its own."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in examples)
