"""What a stage leaves out, and the table that says so."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import NamedTuple

from factneurons.facts.types import Fact
from factneurons.tables import TEXT, Column, Table


@dataclass(frozen=True, slots=True)
class Skip:
    """A fact, a prompt or a record that is left out, and why.

    Attributes:
        reason: a short fixed code, for counting.
        detail: what is wrong, in words.
        fact_id: the fact's id; empty for a record that never became a fact.
        language: the fact's language; empty likewise.
        source: where it was read, FILE:LINE.
        prompt: the prompt that is left out, or whose fault it is; empty: no single prompt.
        askable: whether the model could have been asked, and something failed later.
        part: whether only a part of a fact is left out (a prompt, a wrong answer) and the fact goes on.
    """

    reason: str
    detail: str
    fact_id: str = ""
    language: str = ""
    source: str = ""
    prompt: str = ""
    askable: bool = False
    part: bool = False

    @classmethod
    def of(cls, fact: Fact, reason: str, detail: str, *, prompt: str = "", askable: bool = False) -> Skip:
        """Leave out a fact, or one prompt of it."""
        return cls(reason, detail, fact.id, fact.language, fact.source, prompt, askable, part=bool(prompt))

    @property
    def key(self) -> str:
        """A hash of the content (20 hex digits)."""
        content = [self.reason, self.detail, self.fact_id, self.language, self.source, self.prompt]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:20]


class LeftOut(NamedTuple):
    """What a stage left out."""

    stage: str
    skip: Skip


SKIPPED: Table[LeftOut] = Table(
    "skipped",
    "One row per fact, prompt or record that was left out.",
    (
        Column("fact_id", TEXT, "the fact's id; empty text for a record that never became a fact",
               lambda left: left.skip.fact_id),
        Column("language", TEXT, "its language; empty text likewise", lambda left: left.skip.language),
        Column("source", TEXT, "where it was read, FILE:LINE", lambda left: left.skip.source),
        Column("prompt", TEXT, "the prompt that was left out, or whose fault it is; empty text: no single prompt",
               lambda left: left.skip.prompt),
        Column("stage", TEXT, "the stage that left it out", lambda left: left.stage),
        Column("reason", TEXT, "a short fixed code, for counting", lambda left: left.skip.reason),
        Column("detail", TEXT, "what is wrong, in words", lambda left: left.skip.detail),
    ),
    order=("stage", "source", "prompt", "reason", "detail"),
)  # fmt: skip
