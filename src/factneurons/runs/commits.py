"""Commits: the rows of a few finished facts, put into a run at once or not at all.

A commit is a folder parts/NUMBER-STAGE-KEY with one Parquet file per table that got rows, and commit.json, which
names the files with their hashes and the facts they finish. It is written under unfinished/, flushed, and
then appears under its own name by a single rename. So no reader ever sees half of it, and what a killed
writer left under unfinished/ can be thrown away. No name in it comes from the data.

NUMBER is the place of its first fact in the stage's stream, so that commits are read in the order of the stream,
whoever made them when. KEY is a hash of what its facts say. A folder is never renamed onto one that holds files: two
workers who did the same facts want the same name, and what comes second is thrown away.

A merged commit (compaction.py) stands for many: its KEY is merged1, merged2 and so on, and it names those it replaces.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from factneurons.errors import BadRun
from factneurons.facts.types import Fact
from factneurons.runs.counts import Counts
from factneurons.runs.files import check_form, disk_errors_in_one_line, sealed, sync_folder, unsealed, write_new
from factneurons.runs.skips import SKIPPED, LeftOut, Skip
from factneurons.runs.tables import TABLES, table_named
from factneurons.tables import Row

PARTS, UNFINISHED, RECORD = "parts", "unfinished", "commit.json"
_NAME = re.compile(r"(\d{6,})-([a-z][a-z0-9_]*)(?:-[0-9a-f]{12}|-merged(\d+))?")
PLACES = 1000
"""So many places of the stream are merged into one commit at most, about."""
Span = tuple[int, int]
"""The rows from the first of these on up to the second, without it."""
Pieces = Sequence[Mapping[str, int]]
"""Table -> rows, of every commit that was put together in one, in their order; of a single commit its own."""
_Seen = TypeVar("_Seen")


class Vanished(BadRun):
    """A commit was merged with others after the run was looked at."""


class FactName(NamedTuple):
    """How a commit names a fact: by content, and by what the tables are keyed with."""

    key: str
    fact_id: str
    language: str


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a commit."""

    rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Commit:
    """What commit.json says.

    Attributes:
        number: the place of its first fact in the stream, from 1 on: commits are read in that order.
        stage: the stage that made it.
        facts: the facts it finishes, with results or skipped.
        records: the keys of what was skipped before it became a fact of this stage.
        parts: table -> its file's rows and hash.
        counts: what it adds to the stage's counts.
        replaces: the folders that were merged into it -> table -> their rows in it; usually nothing.
    """

    number: int
    stage: str
    facts: tuple[FactName, ...]
    records: tuple[str, ...]
    parts: Mapping[str, Part]
    counts: Counts
    replaces: Mapping[str, Mapping[str, Span]] = field(default_factory=dict)

    @property
    def folder_name(self) -> str:
        """The name of its folder under parts/."""
        return f"{self.number:06d}-{self.stage}-{key_of(self.keys)}"

    @property
    def keys(self) -> list[str]:
        """What it deals with, one key per place of the stream: facts, and records that never became one."""
        return [*(name.key for name in self.facts), *self.records]

    @property
    def size(self) -> int:
        """How many places of the stream it takes."""
        return len(self.facts) + len(self.records)

    @property
    def pieces(self) -> Pieces:
        """How many rows it has of each table, and where the commits in it begin and end."""
        single = [spans for name, spans in self.replaces.items() if not _is_merged(name)]
        if not single:
            return [{table: part.rows for table, part in self.parts.items()}]
        return [{table: last - first for table, (first, last) in spans.items()} for spans in single]

    @classmethod
    def from_bytes(cls, data: bytes, path: Path) -> Commit:
        """Read commit.json.

        Raises:
            BadRun: it is damaged.
        """
        content = unsealed(data)
        if content is None:
            raise BadRun(f"{path} is damaged or was changed")
        try:
            check_form(content, {"number": int, "stage": str, "facts": list, "parts": dict, "counts": dict})
        except (ValueError, KeyError) as error:
            raise BadRun(f"{path} is no record of a commit ({error})") from error
        return cls(
            content["number"],
            content["stage"],
            tuple(FactName(*names) for names in content["facts"]),
            tuple(content["records"]),
            {table: Part(**part) for table, part in content["parts"].items()},
            Counts(**content["counts"]),
            {
                name: {table: (first, last) for table, (first, last) in spans.items()}
                for name, spans in content.get("replaces", {}).items()
            },
        )


def key_of(keys: Iterable[str]) -> str:
    """What some facts are called together: a short hash of their keys, in their order."""
    return hashlib.sha256("\n".join(keys).encode()).hexdigest()[:12]


def all_folders(folder: Path) -> list[Path]:
    """The folders of commits, also of those that do not count any more.

    Raises:
        BadRun: the folder that holds them is missing.
    """
    parts = folder / PARTS
    if not parts.is_dir():
        raise BadRun(f"{folder} is no whole run: its folder {PARTS} is missing")
    return [inner for inner in parts.iterdir() if _NAME.fullmatch(inner.name)]


def commit_folders(folder: Path) -> list[tuple[int, Path]]:
    """The commits of a run as (number, folder), in the order of their numbers, without those that were merged.

    Raises:
        BadRun: the folder that holds them is missing.
    """
    found = all_folders(folder)
    replaced = {name for inner in found if _is_merged(inner.name) for name in _replaced_by(inner)}
    return sorted((int(inner.name.partition("-")[0]), inner) for inner in found if inner.name not in replaced)


def _is_merged(name: str) -> bool:
    return "-merged" in name


def merged_name(group: int, stage: str, version: int) -> str:
    """The name of the version-th commit that holds what is at these `PLACES` places."""
    return f"{group * PLACES + 1:06d}-{stage}-merged{version}"


def merged_version(inner: Path, group: int) -> int:
    """Which version of this merged commit a folder is; 0 for all others."""
    match = _NAME.fullmatch(inner.name)
    assert match
    return int(match[3]) if match[3] and int(match[1]) == group * PLACES + 1 else 0


def _replaced_by(inner: Path) -> frozenset[str]:
    try:
        about = (inner / RECORD).stat()
        return _read_replaced(inner, about.st_ino, about.st_mtime_ns)
    except (OSError, BadRun):  # whoever reads it is told
        return frozenset()


@lru_cache(maxsize=10_000)
def _read_replaced(inner: Path, _number: int, _changed: int) -> frozenset[str]:
    return frozenset(read_commit(inner).replaces)


def moved_to(path: Path) -> tuple[Path, Span] | None:
    """Where the rows of a part are now that its commit was merged with others; None if it was not."""

    def look() -> tuple[Path, Span] | None:
        for _, inner in commit_folders(path.parent.parent.parent):
            if path.parent.name in (_replaced_by(inner) if _is_merged(inner.name) else ()):
                spans = read_commit(inner).replaces[path.parent.name]
                return (inner / path.name, spans[path.stem]) if path.stem in spans else None
        return None

    return undisturbed(look)


def undisturbed(look: Callable[[], _Seen]) -> _Seen:
    """What is seen of the commits once nobody merges any of them meanwhile."""
    while True:
        try:
            return look()
        except Vanished:
            continue


def read_commit(inner: Path) -> Commit:
    """The record of one commit.

    Raises:
        BadRun: it is missing or damaged; Vanished, if its folder is gone.
    """
    path = inner / RECORD
    try:
        data = path.read_bytes()
    except OSError as error:
        if not inner.exists():
            raise Vanished(f"{inner} was merged with others") from error
        raise BadRun(f"{path}: cannot be read: {error.strerror}") from error
    return Commit.from_bytes(data, path)


def stage_of(inner: Path) -> str:
    """The stage of a commit, from the name of its folder."""
    return inner.name.split("-")[1]


def read_commits(folder: Path, stage: str | None = None) -> Iterator[tuple[Commit, Path]]:
    """The commits of a run and their folders, one in memory at a time.

    Raises:
        BadRun: a commit's record is missing or damaged.
    """
    for _, inner in commit_folders(folder):
        if stage is None or stage_of(inner) == stage:
            yield read_commit(inner), inner


def new_commits(folder: Path, stage: str, known: Container[str]) -> Iterator[tuple[str, Commit]]:
    """Names and records of the commits of a stage whose names are not known yet, whoever made them."""
    for _, inner in commit_folders(folder):
        if inner.name not in known and stage_of(inner) == stage:
            yield inner.name, read_commit(inner)


def next_number(folder: Path) -> int:
    """A number after those of all commits."""
    folders = commit_folders(folder)
    return max((number + (PLACES if _is_merged(inner.name) else 1) for number, inner in folders), default=1)


def write_commit(
    folder: Path,
    number: int,
    stage: str,
    facts: Sequence[Fact],
    rows: Mapping[str, Sequence[Row]],
    skips: Sequence[Skip],
    worker: str = "",
) -> Commit:
    """Put rows and skips into the run in one step, and return the record.

    If the same facts are there already, by another worker, nothing is written.

    Raises:
        BadNumber: a number that is none, in a column that may not be empty.
        FactneuronsError: no space left; nothing of this commit is kept, everything before it is.
        ValueError: a row of another fact, or a fact without any row: a mistake of the caller.
    """
    if "skipped" in rows:
        raise ValueError("rows of the table 'skipped' are given as skips")
    everything = {name: list(table) for name, table in rows.items() if table}
    if skips:
        everything["skipped"] = SKIPPED.rows(LeftOut(stage, skip) for skip in skips)
    _check_facts(facts, everything, skips)
    files = {name: _parquet(name, table) for name, table in everything.items()}
    commit = Commit(
        number,
        stage,
        tuple(FactName(fact.key, fact.id, fact.language) for fact in facts),
        tuple(skip.key for skip in _records(facts, skips)),
        {name: Part(len(everything[name]), hashlib.sha256(data).hexdigest()) for name, data in files.items()},
        _count(facts, everything, skips),
    )
    publish(folder, commit, files, worker)
    return commit


def publish(
    folder: Path, commit: Commit, files: Mapping[str, bytes], worker: str = "", name: str | None = None
) -> None:
    """Put a commit into the run in one step, under its usual name or another; nothing, if the name is there already.

    Raises:
        FactneuronsError: no space left; nothing of this commit is kept, everything before it is.
    """
    files_by_name = {f"{name}.parquet": data for name, data in files.items()}
    files_by_name[RECORD] = json.dumps(sealed(asdict(commit))).encode()
    with disk_errors_in_one_line(folder):
        name = name or commit.folder_name
        _publish(folder, name, files_by_name, f"{worker}.{name}")


def clear_unfinished(folder: Path, lives: Callable[[str], bool]) -> int:
    """Throw away what killed writers left half written, and return the number of files.

    What is half written is called WORKER.NAME; that of the living is left alone.
    """
    count = 0
    for inner in list((folder / UNFINISHED).iterdir()):
        if lives(inner.name.partition(".")[0]):
            continue
        if inner.is_dir() and not inner.is_symlink():
            count += sum(item.is_file() for item in inner.rglob("*"))
            shutil.rmtree(inner, ignore_errors=True)
        else:
            count += 1
            inner.unlink(missing_ok=True)
    return count


def _publish(folder: Path, name: str, files: Mapping[str, bytes], scratch: str) -> None:
    temporary, final = folder / UNFINISHED / scratch, folder / PARTS / name
    try:
        temporary.mkdir()
        for file_name, data in files.items():
            write_new(temporary / file_name, data)
        sync_folder(temporary)
        os.replace(temporary, final)
    except BaseException as error:
        shutil.rmtree(temporary, ignore_errors=True)
        if isinstance(error, OSError) and (final / RECORD).exists():  # another worker did the same facts
            return
        raise
    sync_folder(folder / PARTS)


def _parquet(name: str, rows: Sequence[Row]) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table_named(name).to_arrow(rows), sink, compression="zstd")
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _name_of_row(row: Row) -> tuple[object, object]:
    return row["fact_id"], row["language"]


def _names(facts: Iterable[Fact]) -> set[tuple[object, object]]:
    return {(fact.id, fact.language) for fact in facts}


def _check_facts(facts: Sequence[Fact], rows: Mapping[str, Sequence[Row]], skips: Sequence[Skip]) -> None:
    names = _names(facts)
    if len(names) < len(facts):
        raise ValueError("one commit holds a fact twice")
    with_rows = {_name_of_row(row) for name, table in rows.items() if name != "skipped" for row in table}
    strangers = with_rows - names
    if strangers:
        raise ValueError(f"rows of facts that are not in this commit: {sorted(map(str, strangers))}")
    nothing = names - with_rows - {(skip.fact_id, skip.language) for skip in skips}
    if nothing:
        raise ValueError(f"facts without any row, not even a skipped one: {sorted(map(str, nothing))}")


def _records(facts: Sequence[Fact], skips: Sequence[Skip]) -> list[Skip]:
    names = _names(facts)
    return [skip for skip in skips if (skip.fact_id, skip.language) not in names]


def _count(facts: Sequence[Fact], rows: Mapping[str, Sequence[Row]], skips: Sequence[Skip]) -> Counts:
    done = {_name_of_row(row) for name in rows.keys() & TABLES.keys() - {"skipped"} for row in rows[name]}
    whole: dict[tuple[object, object], Skip] = {}
    left = _names(facts) - done
    for skip in sorted(skips, key=lambda skip: skip.part):
        name = (skip.fact_id, skip.language)
        if name in left:
            whole.setdefault(name, skip)
    left_out = [*whole.values(), *(skip for skip in _records(facts, skips) if not skip.part)]
    return Counts(
        read=len(done) + len(left_out),
        askable=len(done) + sum(skip.askable for skip in left_out),
        done=len(done),
        skipped=dict(Counter(skip.reason for skip in left_out)),
        skipped_prompts=dict(Counter(skip.reason for skip in skips if skip.part)),
        rows={name: len(table) for name, table in rows.items()},
    )
