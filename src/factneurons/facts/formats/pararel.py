"""ParaRel prompt bags: one JSON list; a bag is one fact, a list of [prompt with [MASK], answer, "P36(capital)"].

The file names no subject: it is the longest run of words that all prompts of a bag share, the words
of the relation's label aside. The id is made of relation, subject and answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from factneurons.facts.fields import check_text, kind
from factneurons.facts.pieces import records
from factneurons.facts.problems import BadRecord, shown
from factneurons.facts.reading import Format, Reading, Request
from factneurons.facts.types import BLANK, Fact, Prompt

_WORD = re.compile(r"\w+|[^\w\s]")


def read(request: Request, reading: Reading) -> Iterator[Fact]:
    """One fact per bag."""
    for piece in records(request.path):
        with reading.record(piece.where) as slot:
            texts, answer, label = _bag(piece.json())
            relation = label.partition("(")[0]
            prompts = [Prompt.parse(text) for text in texts]
            subject = shared_words([prompt.text for prompt in prompts], label)
            slot.fact_id = fact_id = f"{relation}/{subject}/{answer}"
            yield Fact(
                id=fact_id,
                relation=relation,
                subject=subject,
                answer=answer,
                language="en",
                prompts=reading.distinct(prompts, piece.where, fact_id),
                source=piece.where,
            )


def _bag(value: object) -> tuple[list[str], str, str]:
    """The prompts of a bag, its answer and its relation."""
    if not isinstance(value, list):
        raise BadRecord("wrong_type", f"a bag must be a list of [prompt, answer, relation], not {kind(value)}")
    if not value:
        raise BadRecord("no_prompt", "the bag is empty")
    texts, answers = [], set()
    for item in value:
        if not isinstance(item, list) or len(item) != 3:
            raise BadRecord("wrong_type", f"[prompt, answer, relation] is needed, not {shown(item)}")
        texts.append(check_text(item[0], "prompt"))
        answers.add((check_text(item[1], "answer"), check_text(item[2], "relation")))
    if len(answers) > 1:
        raise BadRecord("rows_disagree", "the bag has more than one answer or relation")
    answer, label = answers.pop()
    return texts, answer, label


def shared_words(texts: Sequence[str], label: str) -> str:
    """The longest run of words that is in every text, without the blank and the words of `label`.

    Raises:
        BadRecord: the texts share nothing.
    """
    aside = [BLANK, *re.findall(r"\w+", label.partition("(")[2])]
    gaps = re.compile("|".join([re.escape(BLANK), *(rf"\b{re.escape(word)}\b" for word in aside[1:])]))
    rests = [gaps.sub("\0", text) for text in texts]
    best = ""
    for stretch in min(rests, key=len).split("\0"):
        found = list(_WORD.finditer(stretch))
        for first, start in enumerate(found):
            for stop in reversed(found[first:]):
                run = stretch[start.start() : stop.end()]
                if len(run) > len(best) and all(run in rest for rest in rests):
                    best = run
    if not best:
        raise BadRecord("missing_field", "the prompts of the bag share no words that could be its subject")
    return best


def _files(request: Request) -> tuple[Path, ...]:
    return (request.file(),)


FORMAT = Format("pararel", "FILE", "ParaRel bags", read, _files, derived_ids=True)
