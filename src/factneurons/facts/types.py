"""What is asked: a fact and the prompts that ask for it."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

from factneurons.facts.problems import BadRecord, shown

BLANK = "___"
"""The blank of a prompt, in text written by hand and in our own format."""

MASK_TOKENS = ("[MASK]", "<mask>", "<extra_id_0>")
"""Blanks of other people's files that are understood as well."""

BlankPosition = Literal["end", "start", "inside"]

_UNDERSCORES = re.compile("_{3,}")
_SLOTS = re.compile(r"\[[XY]\]")
_FOREIGN = re.compile(
    r"(?<!\w)_{1,2}(?!\w)|(?<!\w)_[A-Z]_(?!\w)|\{\w*\}|(?<!\w)\.{4,}|\[\s*\]"
    r"|[\[<](?:[XYxy]|blank|mask|mask_?\d+|answer|object|obj|subject|subj|extra_id_\d+)[\]>]",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Prompt:
    """A text with exactly one blank (`___`), for instance "The capital of France is ___."

    Raises:
        BadFact: the text has no blank, or more than one.
    """

    text: str

    def __post_init__(self) -> None:
        runs = _UNDERSCORES.findall(self.text)
        if len(runs) != 1:
            raise _wrong_count(len(runs), self.text)
        if runs[0] != BLANK:
            detail = f"the blank of a prompt is three underscores ({BLANK}), not {len(runs[0])}"
            raise BadRecord("blank_count", f"{detail}: {shown(self.text)}", prompt=self.text)

    @classmethod
    def parse(cls, text: str, *blanks: str, blank_at_end: bool = False) -> Prompt:
        """Read a prompt whose blank is written `___` (or longer), as a mask token, or as one of `blanks`.

        With `blank_at_end`, a text without any blank gets one at its end, unless it seems to have a foreign one.
        """
        blanked, count = _marks(blanks).subn(BLANK, text)
        if count == 0 and blank_at_end and foreign_blank(text) is None:
            return cls(f"{text.rstrip()} {BLANK}")
        if count != 1:
            raise _wrong_count(count, text)
        left_over = _SLOTS.search(blanked)
        if left_over is not None:
            detail = f"{left_over[0]} is a slot that nothing was put in: {shown(text)}"
            raise BadRecord("pattern_slots", detail, prompt=text)
        return cls(blanked)

    @property
    def left(self) -> str:
        """The text before the blank."""
        return self.text.partition(BLANK)[0]

    @property
    def right(self) -> str:
        """The text after the blank."""
        return self.text.partition(BLANK)[2]

    @property
    def blank_position(self) -> BlankPosition:
        """Where the blank is: "end" if nothing but punctuation follows it, "start" if nothing precedes it."""
        if _is_punctuation(self.right):
            return "end"
        return "start" if not self.left.strip() else "inside"

    def filled(self, answer: str) -> str:
        """The text with the answer in the blank."""
        return self.text.replace(BLANK, answer)


@cache
def _marks(blanks: tuple[str, ...]) -> re.Pattern[str]:
    marks = (re.escape(mark) for mark in (*blanks, *MASK_TOKENS))
    return re.compile("|".join((*marks, _UNDERSCORES.pattern)))


def _is_punctuation(text: str) -> bool:
    return all(letter.isspace() or unicodedata.category(letter).startswith("P") for letter in text)


def _wrong_count(count: int, text: str) -> BadRecord:
    detail = f"a prompt needs exactly one blank ({BLANK}), this one has {count or 'none'}: {shown(text)}"
    mark = foreign_blank(text) if count == 0 else None
    if mark is not None:
        detail += f"; if {mark} is its blank, write {BLANK} instead (a table of facts: blank={mark})"
    return BadRecord("blank_count", detail, prompt=text)


def foreign_blank(text: str) -> str | None:
    """What looks like the blank or the slot of somebody else's pattern, for instance `_`, `[Y]`, `{}` or `<blank>`."""
    found = _FOREIGN.search(text)
    return found[0] if found else None


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact in one language, and the prompts that ask for it.

    Attributes:
        id: names the fact; the same fact in another language may have the same id.
        relation: the relation's name, for instance "capital".
        subject: who or what the fact is about.
        answer: the gold answer.
        language: a language code, for instance "en" or "zh".
        prompts: at least one prompt whose blank the answer fills.
        date: the year (or any date) the fact holds for, where it changes over time.
        aliases: other answers that are right as well.
        wrong_answers: answers of the same relation that are false for this subject.
        translations: language code -> id of the same fact there, where the ids differ.
        source: where the fact was read, "FILE:LINE"; not part of its content.

    Raises:
        BadFact: an empty field, or no prompt.
    """

    id: str
    relation: str
    subject: str
    answer: str
    language: str
    prompts: tuple[Prompt, ...]
    date: str | None = None
    aliases: tuple[str, ...] = ()
    wrong_answers: tuple[str, ...] = ()
    translations: Mapping[str, str] = field(default_factory=dict, hash=False)
    source: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        for name in ("id", "relation", "subject", "answer", "language"):
            if not getattr(self, name).strip():
                raise BadRecord("empty_field", f"the field {name!r} is empty", fact_id=self.id)
        if not self.prompts:
            raise BadRecord("no_prompt", "it has no prompt", fact_id=self.id)

    @property
    def key(self) -> str:
        """A hash of the content (20 hex digits): two facts with the same key are the same question."""
        content = {
            "id": self.id,
            "relation": self.relation,
            "subject": self.subject,
            "answer": self.answer,
            "language": self.language,
            "prompts": [prompt.text for prompt in self.prompts],
            "date": self.date,
            "aliases": list(self.aliases),
            "wrong_answers": list(self.wrong_answers),
        }
        text = json.dumps(content, ensure_ascii=False, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:20]
