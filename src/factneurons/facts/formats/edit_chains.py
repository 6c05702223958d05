"""Data sets of edits that hold facts around them: MQuAKE (Zhong et al., 2023) and RippleEdits (Cohen et al., 2024).

MQuAKE: the `single_hops` of every chain, as they were before the edit (`cloze`, `question`, `answer`, `answer_alias`),
with subject and relation of `orig.triples_labeled`. RippleEdits: the condition queries of its tests, which are true
before the edit (`prompt` ending with "is", `answers` of `value` and `aliases`, `relation`); the subject is what stands
between the last "of" and the final "is". The same fact is in many records: ids are made from the content.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from factneurons.facts.pieces import records
from factneurons.facts.problems import BadRecord, shown
from factneurons.facts.reading import Format, Reading, Request
from factneurons.facts.types import Fact, Prompt

_OF = re.compile(r".*\bof (.+) (?:is|are|was|were)$")
_TESTS = (
    "Relation_Specificity",
    "Logical_Generalization",
    "Subject_Aliasing",
    "Compositionality_I",
    "Compositionality_II",
    "Forgetfulness",
)


def read_mquake(request: Request, reading: Reading) -> Iterator[Fact]:
    """Hop by hop."""
    for piece in records(request.path):
        with reading.part(piece.where):
            record = piece.fields()
            triples = record.inner("orig").items("triples_labeled")
            for triple, hop in zip(triples, record.inners("single_hops"), strict=False):
                with reading.record(piece.where):
                    subject, relation = _first_two(triple)
                    texts = [hop.text("cloze"), hop.text("question")]
                    aliases = hop.texts_or_none("answer_alias")
                    yield _fact(relation, subject, hop.text("answer"), texts, aliases, piece.where, reading)


def read_ripple(request: Request, reading: Reading) -> Iterator[Fact]:
    """Condition by condition."""
    for piece in records(request.path):
        with reading.part(piece.where):
            record = piece.fields()
            tests = [test for name in _TESTS if name in record for test in record.inners(name)]
            for query in (query for test in tests for query in test.inners("condition_queries")):
                with reading.record(piece.where):
                    prompt, answers = query.text("prompt"), query.inners("answers")
                    subject = _OF.match(prompt)
                    if subject is None or not answers:
                        detail = f"it names no subject or no answer: {shown(prompt)}"
                        raise BadRecord("missing_field", detail)
                    right = [name for each in answers for name in (each.text("value"), *each.texts_or_none("aliases"))]
                    relation = query.text("relation")
                    yield _fact(relation, subject[1], right[0], [prompt], right[1:], piece.where, reading)


def _first_two(triple: object) -> tuple[str, str]:
    if not isinstance(triple, list) or len(triple) != 3 or not all(isinstance(part, str) for part in triple):
        raise BadRecord("wrong_type", f"[subject, relation, object] is needed, not {shown(triple)}")
    return triple[0], triple[1]


def _fact(
    relation: str,
    subject: str,
    answer: str,
    texts: list[str],
    aliases: list[str] | tuple[str, ...],
    where: str,
    reading: Reading,
) -> Fact:
    digest = hashlib.sha256("\0".join((subject, answer, *texts)).encode()).hexdigest()[:8]
    fact_id = f"{relation}/{subject}/{digest}"
    prompts = [Prompt.parse(text, blank_at_end=True) for text in texts]
    return Fact(
        fact_id,
        relation,
        subject,
        answer,
        "en",
        reading.distinct(prompts, where, fact_id),
        aliases=tuple(name for name in dict.fromkeys(aliases) if name != answer and name.strip()),
        source=where,
    )


def _files(request: Request) -> tuple[Path, ...]:
    return (request.file(),)


MQUAKE_FORMAT = Format("mquake", "FILE", "MQuAKE", read_mquake, _files, derived_ids=True)
RIPPLE_FORMAT = Format("rippleedits", "FILE", "RippleEdits", read_ripple, _files, derived_ids=True)
