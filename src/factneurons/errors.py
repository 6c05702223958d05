"""The errors a user can act on. The command line prints them as one line and exits with code 2."""

from __future__ import annotations


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
