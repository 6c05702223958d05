"""mParaRel: paraphrased patterns and tuples in many languages.

`patterns/LANG/P*.jsonl` holds `pattern`, `tuples/LANG/P*.jsonl` holds `sub_label`, `obj_label` and
`lineid`. The same relation and lineid are the same fact in every language, so they make the id:
"P19/12". The language is the folder's name, "en" or "zh-hans".
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from factneurons.facts.formats.patterns import check_pattern, language_folders, relation_files, tuple_fact
from factneurons.facts.pieces import lines
from factneurons.facts.reading import Format, Reading, Request
from factneurons.facts.types import Fact


def read(request: Request, reading: Reading) -> Iterator[Fact]:
    """Language by language, relation by relation, one fact per tuple with all patterns as its prompts."""
    for language, relation, tuples in _chosen(request):
        patterns = _patterns(request.path / "patterns" / language / tuples.name, reading)
        for piece in lines(tuples):
            with reading.record(piece.where) as slot:
                yield from tuple_fact(piece, slot, relation, language, patterns, reading)


def _chosen(request: Request) -> Iterator[tuple[str, str, Path]]:
    root = request.folder() / "tuples"
    available = language_folders(root) if root.is_dir() else ()
    languages = request.chosen("lang", available)
    names = sorted({name for language in languages for name in relation_files(root / language)}, key=_number)
    relations = request.chosen("relation", names)
    for language in languages:
        for relation, path in relation_files(root / language).items():
            if relation in relations:
                yield language, relation, path


def _number(relation: str) -> int:
    return int(relation[1:])


def _patterns(path: Path, reading: Reading) -> list[str]:
    patterns: list[str] = []
    for piece in lines(path) if path.is_file() else ():
        with reading.part(piece.where):
            patterns.append(check_pattern(piece.fields().text("pattern")))
    return patterns


def _files(request: Request) -> tuple[Path, ...]:
    tuples = [path for _, _, path in _chosen(request)]
    patterns = [request.path / "patterns" / path.parent.name / path.name for path in tuples]
    return (*tuples, *(path for path in patterns if path.is_file()))


FORMAT = Format(
    "mpararel", "FOLDER", "mParaRel", read, _files, selects=frozenset({"lang", "relation"}), derived_ids=True
)
