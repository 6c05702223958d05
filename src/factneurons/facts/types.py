"""What is asked: a fact and the prompts that ask for it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from factneurons.errors import BadFact

BLANK = "___"
"""The blank of a prompt, in text written by hand and in our own format."""

MASK_TOKENS = ("[MASK]", "<mask>", "<extra_id_0>")
"""Blanks of other people's files that are understood as well."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A text with exactly one blank (`___`), for instance "The capital of France is ___."

    Raises:
        BadFact: the text has no blank, or more than one.
    """

    text: str

    def __post_init__(self) -> None:
        count = self.text.count(BLANK)
        if count != 1:
            raise BadFact(f"a prompt needs exactly one blank ({BLANK}), this one has {count}: {self.text!r}")

    @classmethod
    def parse(cls, text: str, *blanks: str, blank_at_end: bool = False) -> Prompt:
        """Read a prompt whose blank is written `___`, as a mask token, or as one of `blanks`.

        With `blank_at_end`, a text without any blank gets one at its end.
        """
        for mark in (*blanks, *MASK_TOKENS):
            text = text.replace(mark, BLANK)
        if blank_at_end and BLANK not in text:
            text = f"{text.rstrip()} {BLANK}"
        return cls(text)

    @property
    def left(self) -> str:
        """The text before the blank."""
        return self.text.partition(BLANK)[0]

    @property
    def right(self) -> str:
        """The text after the blank."""
        return self.text.partition(BLANK)[2]

    def filled(self, answer: str) -> str:
        """The text with the answer in the blank."""
        return self.text.replace(BLANK, answer)


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
    translations: Mapping[str, str] = field(default_factory=dict)
    source: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        for name in ("id", "relation", "subject", "answer", "language"):
            if not getattr(self, name).strip():
                raise BadFact(f"fact {self.id!r}: the field {name!r} is empty")
        if not self.prompts:
            raise BadFact(f"fact {self.id!r}: it has no prompt")

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
