"""The errors a user can act on, and warnings. The command line prints an error as one line and exits with code 2."""

from __future__ import annotations

import sys
import warnings
from itertools import count
from pathlib import Path

_HERE = str(Path(__file__).parent)


def warn(message: str) -> None:
    """Warn the caller of this package: the line that is shown is the one that called into it, however deep this is."""
    level, frame = 1, sys._getframe(1)
    for depth in count(3):  # as `warnings` counts them, the line above this frame
        if frame.f_code.co_filename.startswith(_HERE):
            level = depth
        if frame.f_back is None:
            break
        frame = frame.f_back
    warnings.warn(message, stacklevel=level)


class FactneuronsError(Exception):
    """Base of every error that is the input's or the setting's fault: says what, where and what to do."""


class BadFact(FactneuronsError):
    """A record that cannot become a fact; the message starts with the file and the line."""


class BadSetting(FactneuronsError):
    """An unknown name or an impossible value of a setting; the message lists what is valid."""


class BadModel(FactneuronsError):
    """A model that cannot be loaded or has no neurons that could be found."""


class NotAskable(FactneuronsError):
    """A prompt and an answer that this model cannot be asked; `reason` is a short fixed code for counting."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason

    def __reduce__(self) -> tuple[type[NotAskable], tuple[str, str]]:
        return NotAskable, (self.reason, str(self))


class BadRun(FactneuronsError):
    """A folder that is no run, or a run made with other settings, another model or other data."""


class OutOfMemory(FactneuronsError):
    """One prompt or fact alone does not fit into memory; others may."""


class BadNumber(FactneuronsError):
    """A NaN or an infinity where a number must be; names the model, the layer or the fact."""


MODEL_ERRORS = (
    ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, OSError, RuntimeError, TypeError,
    ValueError,
)  # fmt: skip
"""What other people's code raises on an input, or a cache, that it does not know."""
