"""Is a folder of relations as it should be? Every fault is one line that says where and what."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from factneurons.facts.problems import BadRecord
from factneurons.facts.relations import (
    SUBJECT,
    YEAR,
    Entry,
    Relation,
    entry_of,
    gives_away,
    read_relation,
    read_rows,
    relation_paths,
)
from factneurons.facts.rows import Row
from factneurons.facts.types import BLANK

LANGUAGES = ("en", "zh")
KINDS = ("1-1", "N-1", "N-M")
HEADER = ("id", "subject_en", "answer_en", "subject_zh", "answer_zh", "year", "also_en", "also_zh")

LEAST_FACTS = 1200
LEAST_RELATIONS = 24
LEAST_DATED = 150
LEAST_PATTERNS = 5
LEAST_AT_END = 3

_AT_END = re.compile(rf"{BLANK}\s?[.。]?")
_ASIAN = re.compile(r"[\u3400-\u9fff]")


def check_folder(folder: Path) -> list[str]:
    """Every fault of a whole collection: of its relations, and of what there must be together."""
    faults: list[str] = []
    kinds: Counter[str] = Counter()
    ids: Counter[str] = Counter()
    dated = reverse = 0
    for path in relation_paths(folder).values():
        faults += check_relation(path)
        relation, entries = _read(path)
        if relation is not None:
            kinds[relation.kind] += 1
            reverse += bool(relation.reverse)
        ids.update(entry.id for entry in entries)
        dated += sum(entry.year is not None for entry in entries)
    together = {
        "facts": (len(ids), LEAST_FACTS),
        "relations": (sum(kinds.values()), LEAST_RELATIONS),
        "dated facts": (dated, LEAST_DATED),
        **{f"{kind} relations": (kinds[kind], 1) for kind in KINDS},
        "relations with reverse patterns": (reverse, 1),
    }
    faults += [
        f"{folder}: {have} {what}, {least} are needed" for what, (have, least) in together.items() if have < least
    ]
    return faults + [f"{folder}: the id {name} is there {times} times" for name, times in ids.items() if times > 1]


def _read(path: Path) -> tuple[Relation | None, list[Entry]]:
    """What of a relation can be read at all."""
    try:
        relation = read_relation(path)
    except BadRecord:
        return None, []
    entries = []
    for row in _rows(path):
        try:
            entries.append(entry_of(row, LANGUAGES))
        except BadRecord:
            continue
    return relation, entries


def _rows(path: Path) -> list[Row]:
    table = path.with_suffix(".csv")
    return list(read_rows(table)) if table.is_file() else []


def check_relation(path: Path) -> list[str]:
    """Every fault of one relation, given its JSON file."""
    try:
        relation = read_relation(path)
    except BadRecord as problem:
        return [str(problem)]
    faults = [f"{path.name}: {fault}" for fault in _pattern_faults(relation, path)]
    table = path.with_suffix(".csv")
    if not table.is_file():
        return [*faults, f"{path.name}: there is no {table.name}"]
    return faults + list(_table_faults(relation, table))


def _pattern_faults(relation: Relation, path: Path) -> Iterator[str]:
    if relation.name != path.stem:
        yield f"the relation is called {relation.name!r}, its file {path.stem!r}"
    if relation.kind not in KINDS:
        yield f"kind is {relation.kind!r}, not one of {', '.join(KINDS)}"
    for name, texts in (("label", relation.label), ("patterns", relation.patterns), ("questions", relation.questions)):
        if set(texts) != set(LANGUAGES):
            yield f"{name} must have the languages {', '.join(LANGUAGES)}, not {', '.join(texts) or 'none'}"
    if relation.reverse and set(relation.reverse) != set(LANGUAGES):
        yield f"reverse must have the languages {', '.join(LANGUAGES)}"
    for language in relation.languages:
        patterns, questions = relation.patterns[language], relation.questions.get(language, ())
        both = (*patterns, *questions)
        at_end = [pattern for pattern in both if _ends_with_blank(pattern)]
        if len(both) < LEAST_PATTERNS:
            yield f"{language}: {len(both)} patterns and questions, {LEAST_PATTERNS} are needed"
        if len(at_end) < LEAST_AT_END:
            yield f"{language}: {len(at_end)} patterns end with the blank, {LEAST_AT_END} are needed"
        if not any(_ends_with_blank(question) for question in questions):
            yield f"{language}: no question ends with the blank"
        for pattern in (*both, *relation.reverse.get(language, ())):
            yield from (f"{language}: {fault}: {pattern!r}" for fault in _text_faults(pattern, language))
        if len(set(both)) < len(both):
            yield f"{language}: a pattern is there twice"


def _ends_with_blank(pattern: str) -> bool:
    return BLANK in pattern and _AT_END.fullmatch(BLANK + pattern.partition(BLANK)[2]) is not None


def _text_faults(pattern: str, language: str) -> Iterator[str]:
    if len(re.findall("_{3,}", pattern)) != 1 or pattern.count("_") != 3:
        yield f"needs {BLANK} exactly once"
    if pattern.count(SUBJECT) != 1:
        yield f"needs {SUBJECT} exactly once"
    if pattern.count(YEAR) > 1:
        yield f"has {YEAR} more than once"
    if pattern != pattern.strip() or "  " in pattern:
        yield "has blanks at its ends, or two in a row"
    if language == "zh":
        if not _ASIAN.search(pattern):
            yield "has no Chinese letter"
        if f" {SUBJECT}" in pattern or f"{SUBJECT} " in pattern:
            yield f"has a space beside {SUBJECT}"


def _table_faults(relation: Relation, table: Path) -> Iterator[str]:
    with table.open(encoding="utf-8", errors="replace") as file:
        header = file.readline().rstrip("\r\n")
    if header != ",".join(HEADER):
        yield f"{table.name}:1: the header must be {','.join(HEADER)}, not {header}"
        return
    entries: list[Entry] = []
    for row in read_rows(table):
        where = f"{table.name}:{row.where.rpartition(':')[2]}"
        try:
            entry = entry_of(row, LANGUAGES)
        except BadRecord as problem:
            yield f"{where}: {problem.detail}"
            continue
        entries.append(entry)
        for name, cell in row.cells.items():
            if cell != cell.strip() or "  " in cell or "\n" in cell:
                yield f"{where}: {name} has blanks at its ends, two in a row, or a line break: {cell!r}"
        yield from (f"{where}: {entry.id}: {fault}" for fault in _entry_faults(entry, relation))
    if not entries:
        yield f"{table.name}: it has no facts"
        return
    yield from (f"{table.name}: {fault}" for fault in _together_faults(entries, relation))


def _entry_faults(entry: Entry, relation: Relation) -> Iterator[str]:
    ending = r"-\d{4}" if entry.year else ""
    if not re.fullmatch(rf"{re.escape(relation.name)}/[a-z0-9]+(-[a-z0-9]+)*{ending}", entry.id):
        yield "the id must be RELATION/short-slug of small letters, digits and -, with -YEAR where it is dated"
    if entry.year is not None and not re.fullmatch(r"\d{4}", entry.year):
        yield f"the year must have four digits, not {entry.year!r}"
    elif entry.year is not None and not entry.id.endswith(entry.year):
        yield f"the id must end with the year {entry.year}"
    for language in LANGUAGES:
        subject, answer = entry.subject[language], entry.answer[language]
        names = entry.right(language)
        if len(set(names)) < len(names):
            yield f"{language}: the answer is also in also_{language}, or one is there twice"
        if gives_away(subject, answer):
            yield f"{language}: the subject {subject!r} contains the answer {answer!r}"
        for pattern in (*relation.patterns.get(language, ()), *relation.questions.get(language, ())):
            if (YEAR in pattern) != (entry.year is not None):
                yield f"{language}: {YEAR} must be in the pattern just where there is a year: {pattern!r}"
            if gives_away(pattern, answer):
                yield f"{language}: the pattern contains the answer {answer!r}: {pattern!r}"
        for text in (subject, *names):
            if BLANK in text or SUBJECT in text or YEAR in text:
                yield f"{language}: {text!r} contains a slot of the patterns"


def _together_faults(entries: Sequence[Entry], relation: Relation) -> Iterator[str]:
    yield from _twice("the id", Counter(entry.id for entry in entries))
    for language in LANGUAGES:
        asked = Counter(_key(entry, entry.subject[language]) for entry in entries)
        yield from _twice(f"{language}: the subject", asked)
        if relation.kind == "1-1" or relation.reverse:
            answered = Counter(_key(entry, entry.answer[language]) for entry in entries)
            why = "its kind is 1-1" if relation.kind == "1-1" else "it has reverse patterns"
            yield from (f"{fault}, but {why}" for fault in _twice(f"{language}: the answer", answered))
    if len({entry.year is None for entry in entries}) > 1:
        yield "some rows have a year and some have none"
    for one, other in (LANGUAGES, LANGUAGES[::-1]):
        names: dict[str, set[str]] = {}
        for entry in entries:
            names.setdefault(entry.subject[one], set()).add(entry.subject[other])
        for name, translations in names.items():
            if len(translations) > 1:
                yield f"{one}: the subject {name!r} has several translations: {', '.join(sorted(translations))}"


def _key(entry: Entry, name: str) -> str:
    return f"{name} ({entry.year})" if entry.year else name


def _twice(what: str, names: Mapping[str, int]) -> Iterator[str]:
    for name, times in names.items():
        if times > 1:
            yield f"{what} {name!r} is there {times} times"
