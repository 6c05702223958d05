"""CounterFact: one JSON list of edits, or one edit per line.

A record has `case_id`, `requested_rewrite` with `prompt` ({} for the subject), `relation_id`, `subject`,
`target_true.str` and `target_new.str`, and `paraphrase_prompts`. The true answer is asked; the new one,
which is false, is the wrong answer. Prompts end with the blank.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from factneurons.facts.fields import Fields, check_wrong_answers
from factneurons.facts.pieces import records
from factneurons.facts.problems import BadRecord, shown
from factneurons.facts.reading import Format, Option, Reading, Request, choice
from factneurons.facts.types import Fact, Prompt

_SUBJECT = "{}"


def read(request: Request, reading: Reading) -> Iterator[Fact]:
    """One fact per edit."""
    for piece in records(request.path):
        with reading.record(piece.where) as slot:
            record = piece.fields()
            slot.fact_id = fact_id = record.identifier("case_id")
            edit = record.inner("requested_rewrite")
            subject = edit.text("subject")
            texts = [_filled(edit.text("prompt"), subject)]
            if request.options["paraphrases"] == "yes":
                texts += record.texts_or_none("paraphrase_prompts")
            prompts = [Prompt.parse(text, blank_at_end=True) for text in texts]
            answer, new = _target(edit, "target_true"), _target(edit, "target_new")
            check_wrong_answers(answer, (), (new,))
            yield Fact(
                id=fact_id,
                relation=edit.text("relation_id"),
                subject=subject,
                answer=answer,
                language="en",
                prompts=reading.distinct(prompts, piece.where, fact_id),
                wrong_answers=(new,),
                source=piece.where,
            )


def _filled(pattern: str, subject: str) -> str:
    if pattern.count(_SUBJECT) != 1:
        detail = f"the prompt needs {_SUBJECT} for the subject exactly once: {shown(pattern)}"
        raise BadRecord("pattern_slots", detail, prompt=pattern)
    return pattern.replace(_SUBJECT, subject)


def _target(edit: Fields, name: str) -> str:
    return edit.inner(name).text("str").strip()


def _files(request: Request) -> tuple[Path, ...]:
    return (request.file(),)


FORMAT = Format(
    "counterfact",
    "FILE",
    "CounterFact",
    read,
    _files,
    {"paraphrases": Option("no: ask the edit's own prompt only", "yes", choice("yes", "no"))},
)
