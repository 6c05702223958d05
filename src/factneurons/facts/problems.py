"""What can be wrong with a record: one error type, and one list of the reasons it can have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from factneurons.errors import BadFact

REASONS: Mapping[str, str] = MappingProxyType(
    {
        "unreadable": "no valid JSON, CSV or Parquet, for instance a line that was cut off",
        "encoding": "no valid UTF-8, a byte order mark, a NUL character, or half a surrogate pair",
        "too_long": "a line, a record or a cell longer than the limit",
        "too_deep": "lists or objects nested too deeply",
        "duplicate_field": "an object that has the same field twice",
        "not_a_number": "NaN or Infinity, which JSON does not have",
        "missing_field": "a field or a column that is needed is not there",
        "unknown_field": "a field that our own format does not have",
        "wrong_type": "a number where a text must be, and the like",
        "empty_field": "a text with nothing in it",
        "no_prompt": "no prompt asks for the fact",
        "blank_count": "a prompt without a blank, or with more than one",
        "duplicate_fact": "a fact id that was already there in the same language",
        "duplicate_prompt": "a prompt that the fact already has (only the prompt is left out)",
        "wrong_answer_is_right": "a wrong answer that is also given as a right one",
        "rows_disagree": "rows of one fact id that differ in more than the prompt",
        "pattern_slots": "a pattern in which [X] or [Y] is not there exactly once",
        "no_pattern": "facts of a relation for which the data set has no pattern",
        "blank_lost": "a perturbed statement whose blank was the token taken away",
        "evidence_surface": "an evidence sentence whose mask stands for other words than the answer",
        "no_question": "a fact for which the file of questions has no line",
        "question_mismatch": "a question that names another subject than its fact",
        "gives_away": "a prompt that contains its own answer",
    }
)
"""Reason code -> what it means. Every record and prompt that is left out has one of these."""


def shown(text: object, width: int = 80) -> str:
    """A value for an error message: quoted, on one line, cut to `width` characters."""
    quoted = ascii(text) if isinstance(text, str) and not _is_encodable(text) else repr(text)
    return quoted if len(quoted) <= width else f"{quoted[: width - 4]}...{quoted[-1]}"


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class BadRecord(BadFact):
    """A record or a prompt that cannot be used.

    Attributes:
        reason: one of `REASONS`.
        detail: what is wrong and what to do, one line.
        where: "FILE:LINE", or "" where it is not known yet.
        fact_id: the fact's id, where it is known.
        prompt: the prompt, where it is the prompt's fault.
    """

    def __init__(self, reason: str, detail: str, where: str = "", fact_id: str = "", prompt: str = "") -> None:
        self.reason, self.detail = reason, detail
        self.where, self.fact_id, self.prompt = where, fact_id, prompt
        place = f"{where}: " if where else ""
        fact = f"fact {shown(fact_id)}: " if fact_id else ""
        super().__init__(f"{place}{fact}{detail}")

    def __reduce__(self) -> tuple[type[BadRecord], tuple[str, str, str, str, str]]:
        return BadRecord, (self.reason, self.detail, self.where, self.fact_id, self.prompt)

    def at(self, where: str, fact_id: str = "", prompt: str = "") -> BadRecord:
        """The same problem with its place filled in, where it was not known."""
        return BadRecord(
            self.reason,
            self.detail,
            self.where or where,
            self.fact_id or fact_id,
            self.prompt or prompt,
        )


@dataclass(frozen=True, slots=True)
class Skipped:
    """A record, or one part of a record (a prompt, a wrong answer), that was left out.

    Attributes:
        source: "FILE:LINE".
        fact_id: the fact's id, "" where it could not be read.
        prompt: the prompt that was left out, "" where it is something else.
        reason: one of `REASONS`.
        detail: what is wrong, one line.
        part: whether only a part was left out, and the record is read without it.
    """

    source: str
    fact_id: str
    prompt: str
    reason: str
    detail: str
    part: bool = False
