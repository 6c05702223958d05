"""Our own format: one fact per line, as JSON. docs/facts.md describes it, fact.schema.json defines it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from factneurons.facts.fields import Fields, check_text
from factneurons.facts.pieces import lines
from factneurons.facts.problems import BadRecord, shown
from factneurons.facts.reading import Format, Reading, Request
from factneurons.facts.types import Fact, Prompt

SCHEMA = Path(__file__).parents[1] / "schema" / "fact.schema.json"
"""The JSON schema of one line."""

FIELDS = (
    "id",
    "relation",
    "subject",
    "answer",
    "language",
    "prompts",
    "date",
    "aliases",
    "wrong_answers",
    "translations",
)


def read(request: Request, reading: Reading) -> Iterator[Fact]:
    """One fact per line."""
    for piece in lines(request.path):
        with reading.record(piece.where) as slot:
            record = piece.fields()
            slot.fact_id = record.text("id")
            yield fact_from_fields(record, piece.where, reading)


def fact_from_fields(record: Fields, where: str, reading: Reading) -> Fact:
    """The fact of one line.

    Raises:
        BadRecord: the line is not as the schema says.
    """
    record.only(FIELDS)
    fact_id = record.text("id")
    answer, aliases = record.text("answer"), record.texts_or_none("aliases")
    wrong_answers = record.texts_or_none("wrong_answers")
    check_wrong_answers(answer, aliases, wrong_answers)
    prompts = [Prompt.parse(text) for text in record.texts("prompts")]
    return Fact(
        id=fact_id,
        relation=record.text("relation"),
        subject=record.text("subject"),
        answer=answer,
        language=record.text_or("language", "en"),
        prompts=reading.distinct(prompts, where, fact_id),
        date=record.text("date") if "date" in record else None,
        aliases=aliases,
        wrong_answers=wrong_answers,
        translations=_translations(record),
        source=where,
    )


def check_wrong_answers(answer: str, aliases: tuple[str, ...], wrong_answers: tuple[str, ...]) -> None:
    """Refuse a wrong answer that is right.

    Raises:
        BadRecord: one of them is the answer or an alias.
    """
    right = {answer.strip(), *(alias.strip() for alias in aliases)}
    for wrong in wrong_answers:
        if wrong.strip() in right:
            detail = f"the wrong answer {shown(wrong)} is also given as a right one"
            raise BadRecord("wrong_answer_is_right", detail)


def _translations(record: Fields) -> dict[str, str]:
    if "translations" not in record:
        return {}
    inner = record.inner("translations")
    for language in inner.names():
        check_text(language, "translations")
    return {language: inner.text(language) for language in inner.names()}


def _files(request: Request) -> tuple[Path, ...]:
    return (request.file(),)


FORMAT = Format("jsonl", "FILE", "Facts as JSON lines", read, _files)
