"""mLAMA: `LANG/P*.jsonl` with `sub_label`, `obj_label`, `lineid` and `uuid`, `LANG/templates.jsonl`.

The same relation and lineid are the same fact in every language, so they make the id: "P19/12".
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from factneurons.facts.formats.patterns import language_folders, relation_files, templates, tuple_fact
from factneurons.facts.pieces import lines
from factneurons.facts.reading import Format, Reading, Request
from factneurons.facts.types import Fact

TEMPLATES = "templates.jsonl"


def read(request: Request, reading: Reading) -> Iterator[Fact]:
    """Language by language, relation by relation, one fact per tuple with its relation's template."""
    for language, relations in _chosen(request).items():
        path = request.path / language / TEMPLATES
        patterns = templates(path, reading) if path.is_file() else {}
        for relation, tuples in relations.items():
            for piece in lines(tuples):
                with reading.record(piece.where) as slot:
                    own = [patterns[relation]] if relation in patterns else []
                    yield from tuple_fact(piece, slot, relation, language, own, reading)


def _chosen(request: Request) -> dict[str, dict[str, Path]]:
    root = request.folder()
    languages = request.chosen("lang", language_folders(root))
    files = {language: relation_files(root / language) for language in languages}
    names = dict.fromkeys(name for relations in files.values() for name in relations)
    chosen = request.chosen("relation", tuple(names))
    return {
        language: {name: path for name, path in relations.items() if name in chosen}
        for language, relations in files.items()
    }


def _files(request: Request) -> tuple[Path, ...]:
    chosen = _chosen(request)
    extra = [request.path / language / TEMPLATES for language in chosen]
    tuples = [path for relations in chosen.values() for path in relations.values()]
    return (*tuples, *(path for path in extra if path.is_file()))


FORMAT = Format("mlama", "FOLDER", "mLAMA", read, _files, selects=frozenset({"lang", "relation"}), derived_ids=True)
