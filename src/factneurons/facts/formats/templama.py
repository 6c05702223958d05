"""TempLAMA: facts that change by year, and the fine-tuning files of the same form.

A line has `query` with `_X_` for the answer, `answer` (a list of names, all of them right, the first is
the gold one), `date`, `relation` and `id` = SUBJECT_RELATION_YEAR. The prompt is "In DATE, " and the query.
`questions` is a file whose n-th line rephrases, as a question, the n-th subject and relation in the order
in which they first appear.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from factneurons.facts.fields import Fields
from factneurons.facts.pieces import Piece, lines
from factneurons.facts.problems import BadRecord, shown
from factneurons.facts.reading import Format, Option, Reading, Request, choice, words
from factneurons.facts.types import Fact, Prompt

ANSWER = "_X_"

STATEMENTS: Mapping[str, str] = {
    "P6": "_X_ is the head of the government of {}.",
    "P39": "{} holds the position of _X_.",
    "P54": "{} plays for _X_.",
    "P69": "{} attended _X_.",
    "P102": "{} is a member of the _X_.",
    "P108": "{} works for _X_.",
    "P127": "{} is owned by _X_.",
    "P286": "_X_ is the head coach of {}.",
    "P488": "_X_ is the chair of {}.",
}
"""Relation -> its statement, {} for the subject. The rows do not name the subject any other way."""

_SUBJECTS = {
    relation: re.compile(re.escape(text).replace(r"\{\}", "(.+)"), re.DOTALL) for relation, text in STATEMENTS.items()
}


def read(request: Request, reading: Reading) -> Iterator[Fact]:
    """One fact per line; the lines of `old` come last."""
    excluded = _ids(request, "exclude", reading)
    yield from _facts(request, reading, request.path, excluded)
    if request.options.get("old"):
        excluded |= frozenset(_ids_in(request.path, reading))
        yield from _facts(request, reading, request.file("old"), excluded)


def _facts(request: Request, reading: Reading, path: Path, excluded: frozenset[str]) -> Iterator[Fact]:
    wanted_ids = _ids(request, "ids", reading) if request.options.get("ids") else None
    questions = _Questions(request)
    for piece in lines(path):
        with reading.record(piece.where) as slot:
            record = piece.fields()
            slot.fact_id = fact_id = record.text("id")
            if fact_id in excluded:
                reading.left_out["excluded"] += 1
                continue
            subject = subject_of(record.text("query"), record.text("relation"), fact_id)
            dated = f"In {record.text('date')}, "
            texts = {"statement": dated + record.text("query")}
            question = questions.of(fact_id, subject)
            if wanted_ids is not None and fact_id not in wanted_ids:
                reading.left_out["not_selected"] += 1
                continue
            if question:
                texts["question"] = dated + question
            form = request.options.get("form") or "both"
            wanted = [text for name, text in texts.items() if form in (name, "both")]
            prompts = tuple(Prompt.parse(text, ANSWER, blank_at_end=text.endswith("?")) for text in wanted)
            yield dated_fact(record, subject, prompts, piece.where)


def dated_fact(record: Fields, subject: str, prompts: tuple[Prompt, ...], where: str) -> Fact:
    """The fact of a line in TempLAMA's form."""
    names = [answer.text("name") for answer in record.inners("answer")]
    if not names:
        raise BadRecord("empty_field", "the field 'answer' is empty")
    return Fact(
        id=record.text("id"),
        relation=record.text("relation"),
        subject=subject,
        answer=names[0],
        language="en",
        prompts=prompts,
        date=record.text("date"),
        aliases=tuple(dict.fromkeys(name for name in names[1:] if name != names[0])),
        source=where,
    )


def subject_of(statement: str, relation: str, fact_id: str) -> str:
    """The subject's name as it stands in the statement; its Wikidata id where the statement is another one."""
    found = _SUBJECTS[relation].fullmatch(statement) if relation in _SUBJECTS else None
    return found[1] if found else fact_id.partition("_")[0]


def subject_and_relation(fact_id: str) -> str:
    """The id without its year."""
    return fact_id.rpartition("_")[0] or fact_id


class _Questions:
    """The lines of the file of questions, handed out in the order in which subjects appear."""

    def __init__(self, request: Request) -> None:
        self.path = request.file("questions") if request.options.get("questions") else None
        self.next = lines(self.path) if self.path else iter(())
        self.found: dict[str, str] = {}

    def of(self, fact_id: str, subject: str) -> str:
        """The question for a fact, "" if there is no file of questions."""
        if self.path is None:
            return ""
        name = subject_and_relation(fact_id)
        if name not in self.found:
            piece = next(self.next, None)
            if piece is None:
                raise BadRecord("no_question", f"{self.path} has no line for it; is it made for this file?")
            self.found[name] = _question(piece)
        question = self.found[name]
        words = [word for word in re.findall(r"\w+", subject) if len(word) > 1]
        if words and not any(word in question for word in words):
            detail = f"{self.path} does not fit: the subject is {shown(subject)}, the question {shown(question)}"
            raise BadRecord("question_mismatch", detail)
        return question


def _question(piece: Piece) -> str:
    try:
        return piece.fields().text("query")
    except BadRecord as problem:
        raise problem.at(piece.where) from None


def _ids(request: Request, option: str, reading: Reading) -> frozenset[str]:
    """The ids in the files of an option."""
    paths = _paths(request, option)
    return frozenset(found for path in paths for found in _ids_in(path, reading))


def _ids_in(path: Path, reading: Reading) -> Iterator[str]:
    for piece in lines(path):
        with reading.part(piece.where):
            yield piece.fields().text("id")


def _paths(request: Request, option: str) -> list[Path]:
    """The files of an option that may name several."""
    names = request.options.get(option) or ()
    return [replace(request, argument=name).file() for name in ((names,) if isinstance(names, str) else names)]


def _files(request: Request) -> tuple[Path, ...]:
    extra = [path for name in ("questions", "exclude", "old", "ids") for path in _paths(request, name)]
    return (request.file(), *extra)


_IDS = Option("files of the same form, with commas between them; only facts whose id is in one of them", None, words)


FORMAT = Format(
    "templama",
    "FILE",
    "TempLAMA",
    read,
    _files,
    {
        "questions": Option("the file of questions, asked beside the statements"),
        "form": Option(
            "with `questions`: ask the statement, the question or both",
            "both",
            choice("both", "statement", "question"),
        ),
        "ids": _IDS,
    },
)

FINETUNE_FORMAT = Format(
    "finetune",
    "FILE",
    "Facts to learn or to keep in fine-tuning",
    read,
    _files,
    {
        "exclude": Option("a file of the same form; facts whose id is in it are left out"),
        "old": Option("a file of the same form, read after FILE without the facts that are in both"),
        "ids": _IDS,
    },
)
