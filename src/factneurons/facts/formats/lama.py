"""LAMA T-REx: `P*.jsonl` with `uuid`, `sub_label`, `obj_label` and evidence sentences; `relations.jsonl`.

The prompt is the relation's template; the evidence sentences, whose `[MASK]` is the object, can be
asked as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from factneurons.facts.fields import Fields
from factneurons.facts.formats.patterns import fill, relation_files, templates
from factneurons.facts.pieces import Piece, lines
from factneurons.facts.problems import BadRecord, shown
from factneurons.facts.reading import Format, Option, Reading, Request, Slot, choice
from factneurons.facts.types import Fact, Prompt

TEMPLATES = "relations.jsonl"


def read(request: Request, reading: Reading) -> Iterator[Fact]:
    """Relation by relation, one fact per line."""
    patterns = templates(request.path / TEMPLATES, reading)
    for tuples in _chosen(request):
        for piece in lines(tuples):
            with reading.record(piece.where) as slot:
                yield from _fact(piece, slot, patterns, request.options["evidence"], reading)


def _fact(piece: Piece, slot: Slot, patterns: Mapping[str, str], evidence: str, reading: Reading) -> Iterator[Fact]:
    record = piece.fields()
    slot.fact_id = fact_id = record.text("uuid")
    relation, subject = record.text("predicate_id"), record.text("sub_label")
    prompts = [fill(patterns[relation], subject)] if relation in patterns else []
    if evidence != "no":
        prompts += _evidence(record, piece.where, fact_id, evidence, reading)
    if not prompts:
        detail = f"the relation {relation} has no template in {TEMPLATES}"
        reading.skip(BadRecord("no_pattern", detail, piece.where, fact_id))
        return
    yield Fact(
        id=fact_id,
        relation=relation,
        subject=subject,
        answer=record.text("obj_label"),
        language="en",
        prompts=reading.distinct(prompts, piece.where, fact_id),
        source=piece.where,
    )


def _evidence(record: Fields, where: str, fact_id: str, evidence: str, reading: Reading) -> list[Prompt]:
    """The evidence sentences; with "exact" only those in which the mask stands for the answer as it is."""
    answer, prompts = record.text("obj_label"), []
    for item in record.inners("evidences"):
        with reading.part(where, fact_id):
            sentence, surface = item.text("masked_sentence"), item.text("obj_surface")
            if evidence == "exact" and surface != answer:
                detail = f"its mask stands for {shown(surface)}, not for the answer {shown(answer)}"
                reading.skip_part(BadRecord("evidence_surface", detail, where, fact_id, sentence))
            else:
                prompts.append(Prompt.parse(sentence))
    return prompts


def _chosen(request: Request) -> list[Path]:
    files = relation_files(request.folder())
    return [files[name] for name in request.chosen("relation", tuple(files))]


def _files(request: Request) -> tuple[Path, ...]:
    chosen = _chosen(request)
    relations = Request(request.spec, str(request.path / TEMPLATES)).file()
    return (*chosen, relations)


FORMAT = Format(
    "lama",
    "FOLDER",
    "LAMA T-REx",
    read,
    _files,
    {
        "evidence": Option(
            "yes: ask the evidence sentences too; exact: those that hold the answer word by word",
            "no",
            choice("no", "yes", "exact"),
        )
    },
    selects=frozenset({"relation"}),
)
