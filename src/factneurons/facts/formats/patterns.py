"""Patterns with [X] for the subject and [Y] for the answer, and the tuples they are filled with."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from factneurons.facts.fields import Fields
from factneurons.facts.pieces import Piece, lines
from factneurons.facts.problems import BadRecord, shown
from factneurons.facts.reading import Reading, Slot
from factneurons.facts.types import BLANK, Fact, Prompt

SUBJECT, ANSWER = "[X]", "[Y]"


def check_pattern(pattern: str) -> str:
    """The pattern, if it has one [X] and one [Y].

    Raises:
        BadRecord: it has not.
    """
    for slot in (SUBJECT, ANSWER):
        if pattern.count(slot) != 1:
            detail = f"a pattern needs {slot} exactly once, this one has it {pattern.count(slot)} times"
            raise BadRecord("pattern_slots", f"{detail}: {shown(pattern)}", prompt=pattern)
    return pattern


def fill(pattern: str, subject: str) -> Prompt:
    """The prompt of a pattern and a subject: "[X] was born in [Y] ." becomes "Ada was born in ___ ."."""
    return Prompt.parse(pattern.replace(ANSWER, BLANK).replace(SUBJECT, subject))


def relation_files(folder: Path) -> dict[str, Path]:
    """Relation -> its file P*.jsonl, in the order of their numbers."""
    found = [path for path in folder.glob("P*.jsonl") if re.fullmatch(r"P\d+", path.stem)]
    return {path.stem: path for path in sorted(found, key=lambda path: int(path.stem[1:]))}


def language_folders(folder: Path) -> tuple[str, ...]:
    """The subfolders that hold relation files, by name; English first, as other languages follow it."""
    names = [path.name for path in folder.iterdir() if path.is_dir() and relation_files(path)]
    return tuple(sorted(names, key=lambda name: (name != "en", name)))


def tuple_fact(
    piece: Piece, slot: Slot, relation: str, language: str, patterns: Iterable[str], reading: Reading
) -> Iterator[Fact]:
    """The fact of one tuple (`sub_label`, `obj_label`, `lineid`) asked with every pattern of its relation.

    Without patterns there is none: the tuple is counted.
    """
    record = piece.fields()
    slot.fact_id = fact_id = f"{relation}/{_line_id(record)}"
    subject, answer = record.text("sub_label"), record.text("obj_label")
    prompts = [fill(pattern, subject) for pattern in patterns]
    if not prompts:
        detail = f"the relation {relation} has no pattern for the language {language!r}"
        reading.skip(BadRecord("no_pattern", detail, piece.where, fact_id))
        return
    yield Fact(
        id=fact_id,
        relation=relation,
        subject=subject,
        answer=answer,
        language=language,
        prompts=reading.distinct(prompts, piece.where, fact_id),
        source=piece.where,
    )


def _line_id(record: Fields) -> str:
    """The number (or the uuid) that the same fact has in every language."""
    return record.identifier("lineid" if "lineid" in record else "uuid")


def templates(path: Path, reading: Reading) -> dict[str, str]:
    """Relation -> its template, from a file of `relation` and `template`."""
    found: dict[str, str] = {}
    for piece in lines(path):
        with reading.part(piece.where):
            record = piece.fields()
            found[record.text("relation")] = check_pattern(record.text("template"))
    return found
