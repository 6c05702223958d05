"""Compaction: many small commits become one, so that a run of many facts leaves few files.

What is merged are commits that follow each other without a gap, up to `PLACES` places of the stream together. The
merged commit says which folders it replaces, and where in it their rows are. It appears by one rename, as every commit
does; from then on the folders that it replaces no longer count, and are taken away. So whoever is killed, at whatever
moment, nothing is lost and nothing counts twice. A reader that is still at one of them finds its rows in the merged
one. What is merged at the same places has one name, so two workers cannot merge the same twice.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from pathlib import Path

import pyarrow as pa

from factneurons.errors import BadRun
from factneurons.runs.commits import (
    PLACES,
    UNFINISHED,
    Part,
    Span,
    all_folders,
    commit_folders,
    merged_name,
    merged_version,
    publish,
    read_commit,
    read_commits,
    stage_of,
    undisturbed,
)
from factneurons.runs.counts import Counts
from factneurons.runs.files import sha256_of
from factneurons.runs.parts import in_one_file, read_batches
from factneurons.runs.tables import table_named


def compact(folder: Path, stage: str, worker: str, *, done: bool, growing: bool = False) -> None:
    """Merge the commits of a stage, and take away what has been replaced.

    Args:
        folder: the run's folder.
        stage: the stage.
        worker: the name of this worker.
        done: the stage is at its end, so that nothing will come between its commits; else only those up to the first
            gap are merged.
        growing: leave the last `PLACES` places alone, as more will follow.

    Raises:
        BadRun: a part is damaged; it stays as it is.
        OSError: the folder cannot be written.
    """
    _take_away(folder, stage, worker)
    groups = undisturbed(lambda: _groups(folder, stage, done=done))
    for group in list(groups)[: -1 if growing else None]:
        if len(groups[group]) > 1:
            _merge(folder, stage, group, groups[group], worker)
    _take_away(folder, stage, worker)


def _groups(folder: Path, stage: str, *, done: bool) -> dict[int, list[Path]]:
    """What belongs together, by the number of the thousand."""
    groups: dict[int, list[Path]] = {}
    following = 1
    for commit, inner in read_commits(folder, stage):
        if commit.number > following and not done:
            break
        following = max(following, commit.number + commit.size)
        groups.setdefault((commit.number - 1) // PLACES, []).append(inner)
    return groups


def _merge(folder: Path, stage: str, group: int, members: Sequence[Path], worker: str) -> None:
    commits = [(read_commit(inner), inner) for inner in members]
    replaces: dict[str, dict[str, Span]] = {}
    parts, files = {}, {}
    for table in sorted({name for commit, _ in commits for name in commit.parts}):
        rows = 0
        for commit, inner in commits:
            for name, spans in {inner.name: {}, **commit.replaces}.items():
                own = replaces.setdefault(name, {})
                if table in spans:
                    own[table] = (spans[table][0] + rows, spans[table][1] + rows)
            if table in commit.parts:
                replaces[inner.name][table] = (rows, rows + commit.parts[table].rows)
                rows += commit.parts[table].rows
        read = (_checked(inner, table, commit.parts[table]) for commit, inner in commits if table in commit.parts)
        files[table] = in_one_file(chain.from_iterable(read), table_named(table))
        parts[table] = Part(rows, hashlib.sha256(files[table]).hexdigest())
    first = commits[0][0]
    merged = replace(
        first,
        facts=tuple(name for commit, _ in commits for name in commit.facts),
        records=tuple(key for commit, _ in commits for key in commit.records),
        parts=parts,
        counts=sum((commit.counts for commit, _ in commits), Counts()),
        replaces=replaces,
    )
    version = max((merged_version(path, group) for path in all_folders(folder) if stage_of(path) == stage), default=0)
    publish(folder, merged, files, worker, merged_name(group, stage, version + 1))


def _checked(inner: Path, name: str, part: Part) -> Iterator[pa.Table]:
    """The rows of a part, if they are those that were written."""
    path = inner / f"{name}.parquet"
    if sha256_of(path) != part.sha256:
        raise BadRun(f"{path}: it was changed after it was written, so it is not merged with others")
    return read_batches(path, table_named(name))


def _take_away(folder: Path, stage: str, worker: str) -> None:
    """Take away the folders that merged ones replace: out of sight at once, then from the disk."""
    live = {inner for _, inner in commit_folders(folder)}
    for inner in all_folders(folder):
        if inner not in live and stage_of(inner) == stage:
            hidden = folder / UNFINISHED / f"{worker}.{inner.name}"
            with suppress(FileNotFoundError):  # another worker takes it away
                os.replace(inner, hidden)
            shutil.rmtree(hidden, ignore_errors=True)
