"""The bundled facts, or a folder of relations that are written in the same way (`bundled:FOLDER`)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from factneurons.errors import BadSetting
from factneurons.facts.problems import BadRecord
from factneurons.facts.reading import Format, Option, Reading, Request, choice
from factneurons.facts.relations import (
    BUNDLED,
    Entry,
    WrongAnswers,
    entry_of,
    fact_of,
    read_relation,
    read_rows,
    relation_paths,
)
from factneurons.facts.types import Fact


def read(request: Request, reading: Reading) -> Iterator[Fact]:
    """Relation by relation, fact by fact, one after the other in each language; then its reverse facts."""
    for path in _chosen(request):
        relation = read_relation(path)
        languages = request.chosen("lang", relation.languages)
        entries = list(_entries(path, relation.languages, reading))
        if request.options["reverse"] != "only":
            patterns = {
                language: (*relation.patterns[language], *relation.questions.get(language, ()))
                for language in languages
            }
            yield from _facts(relation.name, entries, patterns, relation.languages, reading)
        if request.options["reverse"] != "no" and relation.reverse:
            backwards = {language: relation.reverse.get(language, ()) for language in languages}
            reverse = [entry.reversed() for entry in entries]
            yield from _facts(f"{relation.name}_reverse", reverse, backwards, relation.languages, reading)


def _entries(path: Path, languages: tuple[str, ...], reading: Reading) -> Iterator[Entry]:
    for row in read_rows(path.with_suffix(".csv")):
        try:
            yield entry_of(row, languages)
        except BadRecord as problem:
            reading.records += 1
            reading.refuse(problem)


def _facts(
    relation: str,
    entries: list[Entry],
    patterns: dict[str, tuple[str, ...]],
    languages: tuple[str, ...],
    reading: Reading,
) -> Iterator[Fact]:
    wrong_answers = WrongAnswers(entries, languages)
    for entry in entries:
        wrong = wrong_answers.draw(entry)
        for language, texts in patterns.items():
            with reading.record(entry.where) as slot:
                slot.fact_id = entry.id
                try:
                    yield fact_of(relation, entry, language, texts, wrong, languages, reading)
                except BadRecord as problem:
                    if problem.reason != "gives_away":
                        raise
                    reading.skip(problem.at(entry.where, entry.id))


def _chosen(request: Request) -> list[Path]:
    paths = relation_paths(request.folder() if request.argument else BUNDLED)
    return [paths[name] for name in request.chosen("relation", tuple(paths))]


def _files(request: Request) -> tuple[Path, ...]:
    paths = _chosen(request)
    for path in paths:
        if not path.with_suffix(".csv").is_file():
            raise BadSetting(f"{request.spec}: there is no file {path.with_suffix('.csv')}")
    return (*paths, *(path.with_suffix(".csv") for path in paths))


FORMAT = Format(
    "bundled",
    "[FOLDER]",
    "Bundled facts",
    read,
    _files,
    {
        "reverse": Option(
            "yes: ask one-to-one relations backwards too; only: nothing else",
            "no",
            choice("no", "yes", "only"),
        )
    },
    selects=frozenset({"lang", "relation"}),
)
