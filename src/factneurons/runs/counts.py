"""Counts of what a stage did: read, asked, finished and left out. They add up over commits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the records that a stage has dealt with so far.

    Attributes:
        read: facts, and records that never became one; always `done` + the sum of `skipped`.
        askable: facts that the model could be asked.
        done: facts with results.
        skipped: reason -> facts and records left out.
        skipped_prompts: reason -> prompts and other parts left out of facts.
        rows: table -> rows written.
    """

    read: int = 0
    askable: int = 0
    done: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)
    skipped_prompts: Mapping[str, int] = field(default_factory=dict)
    rows: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.read + other.read,
            self.askable + other.askable,
            self.done + other.done,
            _sum(self.skipped, other.skipped),
            _sum(self.skipped_prompts, other.skipped_prompts),
            _sum(self.rows, other.rows),
        )

    def __sub__(self, other: Counts) -> Counts:
        """What was added to the other one; what is equal in both is left out."""
        return Counts(
            self.read - other.read,
            self.askable - other.askable,
            self.done - other.done,
            _difference(self.skipped, other.skipped),
            _difference(self.skipped_prompts, other.skipped_prompts),
            _difference(self.rows, other.rows),
        )


def _difference(first: Mapping[str, int], second: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted((Counter(first) - Counter(second)).items()))


def _sum(first: Mapping[str, int], second: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted((Counter(first) + Counter(second)).items()))


@dataclass(frozen=True, slots=True)
class Summary:
    """What one call of `drive` did.

    Attributes:
        counts: what this call added: facts read, askable, done, skipped by reason, rows by table.
        before: facts that were found done already.
        repeated: facts that the stream held more than once, with the same content.
        seconds: how long it took.
    """

    counts: Counts
    before: int
    repeated: int
    seconds: float


def counted(number: int, what: str) -> str:
    """A number of things in words: "1 fact", "2 facts"."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
