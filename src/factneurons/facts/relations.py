"""Relations as they lie on disk: RELATION.json with its patterns, RELATION.csv with its facts.

The bundled facts are such files; docs/facts.md describes them. A row names a fact in every language;
the patterns of each language turn it into a fact of that language.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from factneurons.facts.fields import Fields
from factneurons.facts.pieces import parse_json
from factneurons.facts.problems import BadRecord
from factneurons.facts.reading import Reading
from factneurons.facts.rows import Row, csv_rows
from factneurons.facts.types import Fact, Prompt

BUNDLED = Path(__file__).parent / "bundled"
"""The folder of the bundled relations."""

SUBJECT, YEAR = "[X]", "[D]"
REVERSE = "reverse"
WRONG_ANSWERS = 3
"""Wrong answers that a fact gets, if its relation has so many."""

Texts = Mapping[str, str]
"""Language -> text."""


@dataclass(frozen=True, slots=True)
class Relation:
    """The patterns of a relation.

    Attributes:
        name: its name.
        label: language -> its name for people.
        kind: "1-1", "N-1" or "N-M".
        patterns, questions: language -> texts with [X] for the subject, ___ for the answer, [D] for the year.
        reverse: language -> patterns with [X] for the answer, which ask for the subject; {} if there are none.
    """

    name: str
    label: Texts
    kind: str
    patterns: Mapping[str, tuple[str, ...]]
    questions: Mapping[str, tuple[str, ...]]
    reverse: Mapping[str, tuple[str, ...]]

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages it can be asked in."""
        return tuple(self.patterns)


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of a relation: a fact in every language, "also" being other right answers."""

    where: str
    id: str
    subject: Texts
    answer: Texts
    also: Mapping[str, tuple[str, ...]]
    year: str | None

    def reversed(self) -> Entry:
        """The same fact asked the other way round."""
        return Entry(self.where, f"{self.id}/{REVERSE}", self.answer, self.subject, {}, self.year)

    def right(self, language: str) -> tuple[str, ...]:
        """Every right answer in a language."""
        return (self.answer[language], *self.also.get(language, ()))


def relation_paths(folder: Path) -> dict[str, Path]:
    """Relation -> its JSON file, by name."""
    return {path.stem: path for path in sorted(folder.glob("*.json"))}


def read_relation(path: Path) -> Relation:
    """Read the JSON file of a relation.

    Raises:
        BadRecord: it is not as documented.
    """
    try:
        record = Fields(parse_json(path.read_bytes()))
        record.only(("relation", "label", "kind", "patterns", "questions", REVERSE))
        return Relation(
            name=record.text("relation"),
            label={name: record.inner("label").text(name) for name in record.inner("label").names()},
            kind=record.text("kind"),
            patterns=_by_language(record, "patterns"),
            questions=_by_language(record, "questions"),
            reverse=_by_language(record, REVERSE) if REVERSE in record else {},
        )
    except BadRecord as problem:
        raise problem.at(f"{path}:1") from None


def _by_language(record: Fields, name: str) -> dict[str, tuple[str, ...]]:
    inner = record.inner(name)
    return {language: inner.texts(language) for language in inner.names()}


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a relation's CSV file."""
    return csv_rows(path)


def entry_of(row: Row, languages: Sequence[str]) -> Entry:
    """The entry of a row.

    Raises:
        BadRecord: a cell that is missing or empty.
    """
    if row.problem is not None:
        raise row.problem.at(row.where)
    cells = Fields(dict(row.cells))
    try:
        return Entry(
            where=row.where,
            id=cells.text("id"),
            subject={language: cells.text(f"subject_{language}") for language in languages},
            answer={language: cells.text(f"answer_{language}") for language in languages},
            also={language: _several(cells.value(f"also_{language}")) for language in languages},
            year=cells.text("year") if cells.value("year") else None,
        )
    except BadRecord as problem:
        raise problem.at(row.where, str(row.cells.get("id", ""))) from None


def _several(cell: str) -> tuple[str, ...]:
    return tuple(text for text in cell.split("|") if text) if cell else ()


def fact_of(
    relation: str,
    entry: Entry,
    language: str,
    patterns: Sequence[str],
    wrong: Sequence[Entry],
    languages: Sequence[str],
    reading: Reading,
) -> Fact:
    """The fact of an entry in one language; prompts that contain the answer are left out and counted.

    Raises:
        BadRecord: a pattern without a blank; "gives_away" if every prompt contains the answer.
    """
    answer = entry.answer[language]
    filled = [fill(pattern, entry.subject[language], entry.year) for pattern in patterns]
    telling = [prompt for prompt in filled if gives_away(prompt.text, answer)]
    problem = BadRecord("gives_away", "it contains its own answer", entry.where, entry.id)
    if filled and len(telling) == len(filled):
        raise problem
    for prompt in telling:
        reading.skip_part(problem.at(entry.where, entry.id, prompt.text))
    prompts = [prompt for prompt in filled if prompt not in telling]
    return Fact(
        id=entry.id,
        relation=relation,
        subject=entry.subject[language],
        answer=answer,
        language=language,
        prompts=reading.distinct(prompts, entry.where, entry.id),
        date=entry.year,
        aliases=entry.also.get(language, ()),
        wrong_answers=tuple(other.answer[language] for other in wrong),
        translations={other: entry.id for other in languages if other != language},
        source=entry.where,
    )


def fill(pattern: str, subject: str, year: str | None) -> Prompt:
    """The prompt of a pattern, a subject and a year.

    Raises:
        BadRecord: no [X] in it, or [D] without a year, or not exactly one blank.
    """
    if SUBJECT not in pattern or (YEAR in pattern) != (year is not None):
        detail = f"a pattern needs {SUBJECT}, and {YEAR} just where facts are dated: {pattern!r}"
        raise BadRecord("pattern_slots", detail, prompt=pattern)
    return Prompt(pattern.replace(YEAR, year or "").replace(SUBJECT, subject))


def gives_away(text: str, answer: str) -> bool:
    """Whether a text contains the answer as a word; answers of one or two letters never count."""
    if len(answer) < 3 and answer.isascii():
        return False
    if not answer[0].isascii() or not answer[-1].isascii():  # no spaces between words, or no word limits in re
        return answer.casefold() in text.casefold()
    return re.search(rf"(?<!\w){re.escape(answer)}(?!\w)", text, re.IGNORECASE | re.ASCII) is not None


class WrongAnswers:
    """Draws wrong answers from the same relation: the same ones every time, for a fact in every language.

    For a fact with a year they are, first, the answers of the same subject in other years.
    """

    def __init__(self, entries: Sequence[Entry], languages: Sequence[str]) -> None:
        self.languages = languages
        self.by_subject: dict[str, list[Entry]] = {}
        distinct: dict[str, Entry] = {}
        for entry in entries:
            self.by_subject.setdefault(_name(entry.subject), []).append(entry)
            distinct.setdefault(_name(entry.answer), entry)
        self.shuffled = sorted(distinct.values(), key=lambda entry: _hash(entry.id))

    def draw(self, entry: Entry, count: int = WRONG_ANSWERS) -> list[Entry]:
        """Up to `count` entries whose answers are wrong for this entry, and different, in every language."""
        same_subject = self.by_subject[_name(entry.subject)]
        right = [other for other in same_subject if other.year == entry.year]
        other_years = sorted(
            (other for other in same_subject if other.year != entry.year),
            key=lambda other: _hash(f"{entry.id} {other.id}"),
        )
        start = _hash(entry.id) % len(self.shuffled)
        drawn: list[Entry] = []
        for other in (*other_years, *self.shuffled[start:], *self.shuffled[:start]):
            if len(drawn) == count:
                break
            if not any(self._overlap(other, known) for known in (*right, *drawn)):
                drawn.append(other)
        return drawn

    def _overlap(self, other: Entry, known: Entry) -> bool:
        """Whether an answer is, contains, or is part of one that is known, in any language."""
        for language in self.languages:
            answer = other.answer[language].casefold()
            for name in known.right(language):
                if answer in name.casefold() or name.casefold() in answer:
                    return True
        return False


def _name(texts: Texts) -> str:
    return json.dumps(texts, sort_keys=True)


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest())
