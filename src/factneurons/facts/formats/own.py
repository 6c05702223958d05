"""Our own format: one fact per line, as JSON. docs/facts.md describes it, fact.schema.json defines it.

With the option `columns` the lines have other people's fields, and are read as rows of a table.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from factneurons.facts.fields import Fields, check_text, check_wrong_answers
from factneurons.facts.formats.tables import OPTIONS, facts_from_rows, no_column
from factneurons.facts.pieces import lines
from factneurons.facts.reading import Format, Reading, Request
from factneurons.facts.rows import Row, json_rows
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


_NEEDED = {"id", "relation", "subject", "answer", "prompts"}


def read(request: Request, reading: Reading) -> Iterator[Fact]:
    """One fact per line."""
    if request.options.get("columns"):
        yield from facts_from_rows(json_rows(request.path), request, reading)
        return
    for piece in lines(request.path):
        with reading.record(piece.where) as slot:
            record = piece.fields()
            if reading.records == 1 and len(_NEEDED - set(record.names())) > 1:  # not ours at all
                raise no_column("prompts", Row(piece.where, 1, record.as_mapping()))
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


def _translations(record: Fields) -> dict[str, str]:
    if "translations" not in record:
        return {}
    inner = record.inner("translations")
    for language in inner.names():
        check_text(language, "translations")
    return {language: inner.text(language) for language in inner.names()}


def _files(request: Request) -> tuple[Path, ...]:
    return (request.file(),)


FORMAT = Format("jsonl", "FILE", "Facts as JSON lines", read, _files, OPTIONS)
