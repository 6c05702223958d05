"""Perturbed TempLAMA queries: one token added, deleted or replaced.

The form is TempLAMA's, but `query` already has its date and its perturbation. Questions, and
statements that end with the answer, come without a blank: it is put at the end. Statements that begin
with the answer still have `_X_`, unless it was the token taken away; those rows are counted, as there
is nothing to ask. The subject is its Wikidata id, as its name may be perturbed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from factneurons.facts.formats.templama import ANSWER, STATEMENTS, dated_fact
from factneurons.facts.pieces import lines
from factneurons.facts.problems import BadRecord, shown
from factneurons.facts.reading import Format, Reading, Request
from factneurons.facts.types import Fact, Prompt


def read(request: Request, reading: Reading) -> Iterator[Fact]:
    """One fact per line."""
    for piece in lines(request.path):
        with reading.record(piece.where) as slot:
            record = piece.fields()
            slot.fact_id = fact_id = record.text("id")
            query = record.text("query")
            if _lost_its_blank(query, record.text("relation")):
                detail = f"the perturbation took the blank away: {shown(query)}"
                reading.skip(BadRecord("blank_lost", detail, piece.where, fact_id, query))
                continue
            prompt = Prompt.parse(query, ANSWER, blank_at_end=True)
            yield dated_fact(record, fact_id.partition("_")[0], (prompt,), piece.where)


def _lost_its_blank(query: str, relation: str) -> bool:
    """Whether a statement that should begin with the blank has none, and still its full stop."""
    begins_with_it = STATEMENTS.get(relation, "").startswith(ANSWER)
    return begins_with_it and ANSWER not in query and query.endswith(".")


def _files(request: Request) -> tuple[Path, ...]:
    return (request.file(),)


FORMAT = Format("perturbed", "FILE", "Perturbed TempLAMA queries", read, _files)
