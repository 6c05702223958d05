"""Fact-checking files, and the form with one JSON object for all facts.

`factcheck`: lines with `uuid` = SUBJECT_RELATION_YEAR, `sentences` (dated, blank `_X_`), `relation_name`,
`obj_label` and `wrong_fact`. `sentences`: one object uuid -> {`sentences`, `relation_name`, `obj_label`}.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from factneurons.facts.fields import Fields, check_wrong_answers
from factneurons.facts.formats.templama import ANSWER, subject_of
from factneurons.facts.pieces import lines, members
from factneurons.facts.problems import BadRecord, shown
from factneurons.facts.reading import Format, Option, Reading, Request
from factneurons.facts.types import Fact, Prompt

_DATED_ID = re.compile(r".+_P\d+_(\d{4})")
_DATE = re.compile(r"In \d{4}, ")


def read(request: Request, reading: Reading) -> Iterator[Fact]:
    """One fact per line."""
    right = _right_answers(request, reading)
    for piece in lines(request.path):
        with reading.record(piece.where) as slot:
            record = piece.fields()
            slot.fact_id = fact_id = record.text("uuid")
            wrong_answers = record.texts_or_none("wrong_fact")
            aliases = tuple(name for name in right.get(fact_id, ()) if name != record.text("obj_label"))
            for wrong in wrong_answers:
                if wrong in aliases:
                    detail = f"the wrong answer {shown(wrong)} is right as well; it is left out"
                    reading.skip_part(BadRecord("wrong_answer_is_right", detail, piece.where, fact_id))
            wrong_answers = tuple(wrong for wrong in wrong_answers if wrong not in aliases)
            yield _fact(record, fact_id, aliases, wrong_answers, piece.where, reading)


def read_sentences(request: Request, reading: Reading) -> Iterator[Fact]:
    """One fact per member of the object."""
    for piece in members(request.path):
        with reading.record(piece.where) as slot:
            outer = piece.fields()
            slot.fact_id = fact_id = outer.names()[0] if outer.names() else ""
            record = outer.inner(fact_id)
            wrong_answers = record.texts_or_none("wrong_fact")
            yield _fact(record, fact_id, (), wrong_answers, piece.where, reading, request.options["language"])


def _fact(
    record: Fields,
    fact_id: str,
    aliases: tuple[str, ...],
    wrong_answers: tuple[str, ...],
    where: str,
    reading: Reading,
    language: str = "en",
) -> Fact:
    sentences, relation, answer = (
        record.texts("sentences"),
        record.text("relation_name"),
        record.text("obj_label"),
    )
    if not sentences:
        raise BadRecord("no_prompt", "the field 'sentences' is empty")
    check_wrong_answers(answer, (), wrong_answers)
    date = _DATED_ID.fullmatch(fact_id)
    return Fact(
        id=fact_id,
        relation=relation,
        subject=subject_of(_DATE.sub("", sentences[0], count=1), relation, fact_id),
        answer=answer,
        language=language,
        prompts=reading.distinct([Prompt.parse(text, ANSWER) for text in sentences], where, fact_id),
        date=date[1] if date else None,
        aliases=aliases,
        wrong_answers=wrong_answers,
        source=where,
    )


def _right_answers(request: Request, reading: Reading) -> Mapping[str, tuple[str, ...]]:
    """Fact id -> all its right answers, from the TempLAMA file of the option `answers`."""
    right: dict[str, tuple[str, ...]] = {}
    if request.options["answers"]:
        for piece in lines(request.file("answers")):
            with reading.part(piece.where):
                record = piece.fields()
                right[record.text("id")] = tuple(answer.text("name") for answer in record.inners("answer"))
    return right


def _files(request: Request) -> tuple[Path, ...]:
    extra = (request.file("answers"),) if request.options.get("answers") else ()
    return (request.file(), *extra)


FORMAT = Format(
    "factcheck",
    "FILE",
    "Fact-checking",
    read,
    _files,
    {
        "answers": Option(
            "the TempLAMA file the facts are from: gives all right answers; wrong ones among them are left out"
        )
    },
)

SENTENCES_FORMAT = Format(
    "sentences",
    "FILE",
    "Sentences by fact id",
    read_sentences,
    _files,
    {"language": Option("the language of the file", "en")},
)
