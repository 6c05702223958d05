"""BEAR (Wiland et al., 2024): `P*.jsonl` of `sub_label` and `obj_label`, and `metadata_relations.json`.

The metadata has each relation's `templates` ([X] the subject, [Y] the answer) and `answer_space_labels`, all its
answers: those that are not a fact's are its wrong ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from factneurons.facts.fields import Fields
from factneurons.facts.formats.patterns import check_pattern, fill, relation_files
from factneurons.facts.pieces import lines, parse_json
from factneurons.facts.problems import BadRecord
from factneurons.facts.reading import Format, Reading, Request
from factneurons.facts.types import Fact

METADATA = "metadata_relations.json"


def read(request: Request, reading: Reading) -> Iterator[Fact]:
    """Relation by relation, one fact per line, asked with all templates."""
    try:
        metadata = Fields(parse_json((request.path / METADATA).read_bytes()))
    except BadRecord as problem:
        raise problem.at(str(request.path / METADATA)) from None
    for relation, path in _chosen(request).items():
        for number, piece in enumerate(lines(path), start=1):
            with reading.record(piece.where) as slot:
                slot.fact_id = fact_id = f"{relation}/{number}"
                record, about = piece.fields(), metadata.inner(relation)
                subject, answer = record.text("sub_label"), record.text("obj_label")
                aliases = tuple(name for name in record.texts_or_none("obj_aliases") if name != answer)
                prompts = [fill(check_pattern(text), subject) for text in about.texts("templates")]
                yield Fact(
                    fact_id,
                    relation,
                    subject,
                    answer,
                    "en",
                    reading.distinct(prompts, piece.where, fact_id),
                    aliases=aliases,
                    wrong_answers=tuple(
                        name
                        for name in dict.fromkeys(about.texts_or_none("answer_space_labels"))
                        if name not in (answer, *aliases)
                    ),
                    source=piece.where,
                )


def _chosen(request: Request) -> dict[str, Path]:
    files = relation_files(request.folder())
    return {name: files[name] for name in request.chosen("relation", tuple(files))}


def _files(request: Request) -> tuple[Path, ...]:
    metadata = Request(request.spec, str(request.path / METADATA)).file()
    return (*_chosen(request).values(), metadata)


FORMAT = Format("bear", "FOLDER", "BEAR", read, _files, selects=frozenset({"relation"}), derived_ids=True)
