"""A run: a folder with a manifest and tables, written by one worker or by several, and read by anybody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pandas as pd
import pyarrow as pa

from factneurons.errors import BadRun, FactneuronsError, warn
from factneurons.facts.types import Fact
from factneurons.runs.commits import (
    PARTS,
    UNFINISHED,
    Commit,
    FactName,
    Pieces,
    all_folders,
    next_number,
    read_commits,
    undisturbed,
    write_commit,
)
from factneurons.runs.compaction import compact
from factneurons.runs.counts import Counts, Summary
from factneurons.runs.files import disk_errors_in_one_line, replace_file
from factneurons.runs.leases import LEASES, Lease
from factneurons.runs.manifest import Manifest, State, joined
from factneurons.runs.parts import gathered, read_batches, read_rows
from factneurons.runs.sharing import Share
from factneurons.runs.skips import Skip
from factneurons.runs.tables import table_named
from factneurons.runs.workers import WORKERS
from factneurons.tables import Row

MANIFEST = "manifest.json"
_FOLDERS = (PARTS, UNFINISHED, WORKERS, LEASES)
_OWN_NAMES = {MANIFEST, "lock", *_FOLDERS}  # older versions had a lock


class Run:
    """One run on disk. Made by `Run.create_or_resume` (to write) or `Run.open` (to read).

    Attributes:
        folder: the run's folder.
        manifest: what is known of it; the counts are those of when a stage was last started or ended.
        notes: what a user should be told about opening it: what was resumed, cleaned up or has changed.
        summaries: what calls that made it did, by stage; {} where it was only opened.
    """

    def __init__(self, folder: Path, manifest: Manifest, share: Share | None, notes: Sequence[str]) -> None:
        self.folder = folder
        self.manifest = manifest
        self.notes = list(notes)
        self.summaries: dict[str, Summary] = {}
        self._share = share

    @classmethod
    def create_or_resume(cls, folder: Path | str, manifest: Manifest, stage: str) -> Self:
        """Open a run for writing `stage`: a new one, or one that was begun with the same settings.

        Others may be writing the same stage; this process then is one worker more.

        Args:
            folder: a folder that does not exist, is empty, or is a run.
            manifest: from `Manifest.for_stage`.
            stage: the stage that is about to be driven.

        Raises:
            BadRun: the folder holds something else, it was made with another model, other data or other
                settings (the first differing field is named), or a worker of another version, or with
                another extent, is at work in it.
            FactneuronsError: no space left.
        """
        folder = Path(folder)
        with disk_errors_in_one_line(folder):
            _refuse_foreign(folder)
            for name in ("", *_FOLDERS):
                _make(folder / name, parents=not name)
            share = Share(folder)
            try:
                with share.leases.alone(MANIFEST):
                    notes = share.clear_killed()
                    _refuse_foreign(folder)
                    path = folder / MANIFEST
                    if path.exists():
                        old = Manifest.from_bytes(path.read_bytes(), path)
                        manifest, told = joined(old, manifest, stage, folder)
                        notes += told
                    share.join(stage, manifest.stages[stage].starts[-1].extent)
                    run = cls(folder, manifest, share, notes)
                    run._count_from_commits()
                    run._save(share)
            except BaseException:
                share.leave()
                raise
        return run

    @staticmethod
    def check_folder(folder: Path | str) -> None:
        """Refuse a folder that can never become a run, before anything slow is done for it.

        Raises:
            BadRun: a file, or a folder that holds something else.
        """
        with disk_errors_in_one_line(Path(folder)):
            _refuse_foreign(Path(folder))

    @classmethod
    def open(cls, folder: Path | str) -> Self:
        """Open a run for reading; others may read or write it meanwhile.

        Raises:
            BadRun: there is no run in the folder, or its manifest is damaged.
        """
        folder = Path(folder)
        path = folder / MANIFEST
        try:
            manifest = Manifest.from_bytes(path.read_bytes(), path)
        except (FileNotFoundError, NotADirectoryError):
            missing = "it does not exist" if not folder.exists() else f"it has no {MANIFEST}"
            raise BadRun(f"{folder} is not a run: {missing}; factneurons locate --out makes one") from None
        except OSError as error:
            raise BadRun(f"{path}: cannot be read: {error.strerror}") from error
        return cls(folder, manifest, None, [])

    def commit(
        self,
        stage: str,
        facts: Sequence[Fact],
        rows: Mapping[str, Sequence[Row]],
        skips: Sequence[Skip] = (),
        number: int | None = None,
    ) -> Commit:
        """Keep the results of some facts: all of them or, if anything fails or they are kept already, none.

        Args:
            stage: the stage they belong to.
            facts: the facts that are finished by this; each has at least one row or skip.
            rows: table -> rows; every row's fact_id and language are those of one of the facts.
            skips: what was left out of these facts, and records that never became facts.
            number: the place of the first of them in the stage's stream, from 1 on; None: after everything there is.

        Raises:
            BadRun: the run was opened for reading.
            BadNumber: a number that is none, in a column that may not be empty.
            FactneuronsError: no space left; everything committed before is kept.
        """
        share = self._must_write(stage)
        number = next_number(self.folder) if number is None else number
        return write_commit(self.folder, number, stage, facts, rows, skips, share.name)

    @contextmanager
    def lease(self, stage: str, key: str) -> Iterator[Lease | None]:
        """The right to work on some facts; None while another worker that lives has it."""
        share = self._must_write(stage)
        with disk_errors_in_one_line(self.folder):
            lease = share.leases.take(f"{stage}-{key}")
        try:
            yield lease
        finally:
            if lease is not None:
                lease.give_back()

    def say(self, **what: object) -> None:
        """Tell the other workers what this one is doing."""
        if self._share is not None:
            self._share.doing(what)

    def done(self, stage: str) -> set[str]:
        """The keys of the facts (and of skipped records) that a stage has dealt with."""
        return undisturbed(lambda: {key for each, _ in read_commits(self.folder, stage) for key in each.keys})

    def fact_names(self, stage: str) -> Iterator[FactName]:
        """Key, id and language of every fact that a stage has dealt with."""
        names = undisturbed(lambda: [commit.facts for commit, _ in read_commits(self.folder, stage)])
        return (name for facts in names for name in facts)

    def counts(self, stage: str) -> Counts:
        """The counts of a stage, summed over what is on disk now; all 0 for a stage that never started."""
        return undisturbed(lambda: sum((commit.counts for commit, _ in read_commits(self.folder, stage)), Counts()))

    def table(self, name: str) -> pd.DataFrame:
        """A whole table, sorted by fact_id, language and the columns that follow in the documentation.

        Raises:
            BadSetting: there is no table of that name.
            BadRun: a part is missing or damaged.
        """
        table = table_named(name)
        parts = [batch for path in self._part_files(name) for batch in read_batches(path, table)]
        whole = pa.concat_tables(parts) if parts else table.schema.empty_table()
        frame: pd.DataFrame = whole.sort_by([(key, "ascending") for key in table.sort_keys]).to_pandas()
        return frame

    def frames(self, name: str, columns: Sequence[str] | None = None) -> Iterator[pd.DataFrame]:
        """A table in frames of a bounded number of rows as they were written, with only the columns that are needed.

        Raises:
            BadSetting: there is no table of that name.
            BadRun: a part is missing or damaged.
        """
        table = table_named(name)
        batches = (batch for path in self._part_files(name) for batch in read_batches(path, table, columns))
        return (batch.to_pandas() for batch in gathered(batches))

    def rows(self, name: str) -> Iterator[dict[str, Any]]:
        """The rows of a table as they were written, a few in memory at a time.

        Raises:
            BadSetting: there is no table of that name.
            BadRun: a part is missing or damaged.
        """
        table = table_named(name)
        for path in self._part_files(name):
            yield from read_rows(path, table)

    def committed(self, stage: str, *names: str) -> Iterator[dict[str, list[dict[str, Any]]]]:
        """The rows of several tables that belong together, those of a few facts in memory at a time.

        They come as the facts were committed, also from commits that were merged since.

        Raises:
            BadSetting: there is no table of that name.
            BadRun: a part is missing or damaged.
        """
        tables = [table_named(name) for name in names]
        for inner, pieces in self._listing(stage):
            rows = {each.name: read_rows(inner / f"{each.name}.parquet", each) for each in tables}
            for piece in pieces:
                yield {name: list(islice(rows[name], piece.get(name, 0))) for name in names}

    def set_state(self, stage: str, state: State) -> None:
        """Write down that a stage is running, done or interrupted, with its counts.

        What another worker brought to its end is not interrupted.

        Raises:
            BadRun: the run was opened for reading.
            FactneuronsError: no space left; the manifest on disk is the old one.
        """
        share = self._must_write(stage)
        path = self.folder / MANIFEST
        with disk_errors_in_one_line(self.folder), share.leases.alone(MANIFEST):
            self.manifest = Manifest.from_bytes(path.read_bytes(), path)
            self._count_from_commits()
            if state != "interrupted" or self.manifest.stages[stage].state == "running":
                self.manifest = self.manifest.with_stage(stage, state=state)
            self._save(share)

    def compact(self, stage: str, *, growing: bool = False) -> None:
        """Merge the commits of a stage, as far as they can be now; nothing while another worker does."""
        share = self._must_write(stage)
        done = self.manifest.stages[stage].state == "done"
        with self.lease(stage, "compact") as lease:
            if lease is not None:
                with _only_told(stage), disk_errors_in_one_line(self.folder):
                    compact(self.folder, stage, share.name, done=done, growing=growing)

    def close(self) -> None:
        """Give up the right to write. Closing twice does nothing."""
        if self._share is not None:
            self._share.leave()
            self._share = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _must_write(self, stage: str) -> Share:
        if self._share is None:
            raise BadRun(f"{self.folder} is open for reading only")
        if stage not in self.manifest.stages:
            raise BadRun(f"{self.folder} was not opened for the stage {stage!r}")
        return self._share

    def _part_files(self, name: str) -> Iterator[Path]:
        return (
            inner / f"{name}.parquet" for inner, pieces in self._listing() if any(name in piece for piece in pieces)
        )

    def _listing(self, stage: str | None = None) -> list[tuple[Path, Pieces]]:
        """Every commit's folder, with the numbers of rows in it."""
        return undisturbed(lambda: [(inner, each.pieces) for each, inner in read_commits(self.folder, stage)])

    def _count_from_commits(self) -> None:
        for stage in self.manifest.stages:
            self.manifest = self.manifest.with_stage(stage, counts=self.counts(stage))

    def _save(self, share: Share) -> None:
        with disk_errors_in_one_line(self.folder):
            replace_file(self.folder / MANIFEST, self.manifest.to_bytes(), share.scratch(MANIFEST))


def compact_run(run: Run | Path | str) -> tuple[int, int]:
    """Merge the commits of a run's stages by hand, whether others work on it or not; as `factneurons compact`.

    Returns:
        how many folders of parts there were, and are.

    Raises:
        BadRun: no run, a damaged part, or a folder that cannot be written.
        FactneuronsError: no space left; nothing is lost.
    """
    opened = Run.open(run.folder if isinstance(run, Run) else run)
    before = len(all_folders(opened.folder))
    with disk_errors_in_one_line(opened.folder):
        share = Share(opened.folder)
        try:
            for stage, record in opened.manifest.stages.items():
                with share.leases.alone(f"{stage}-compact"):
                    compact(opened.folder, stage, share.name, done=record.state == "done")
        finally:
            share.leave()
    return before, len(all_folders(opened.folder))


@contextmanager
def _only_told(stage: str) -> Iterator[None]:
    """Around what a run can do without: its parts stay as they are, and readable."""
    try:
        yield
    except FactneuronsError as error:
        warn(f"the parts of {stage} were not put together: {error}")


def _refuse_foreign(folder: Path) -> None:
    """Refuse a folder that holds anything but a run, or the beginnings of one."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise BadRun(f"{folder} is a file, not a folder: choose another --out")
    names = {inner.name for inner in folder.iterdir()}
    holds_parts = (folder / PARTS).exists() and any((folder / PARTS).iterdir())
    if not names or (folder / MANIFEST).exists():  # asked last: others may be making the run just now
        return
    if names - _OWN_NAMES:
        raise BadRun(f"{folder} is not empty and is not a run (it has no {MANIFEST}): choose another --out")
    if holds_parts:
        raise BadRun(f"{folder}: its {MANIFEST} is missing, so nobody knows how its tables were made")


def _make(folder: Path, *, parents: bool = False) -> None:
    """Make a folder that is not there. (With `exist_ok` Python drops every error of the disk where one is there.)"""
    try:
        if not folder.is_dir():
            folder.mkdir(parents=parents)
    except FileExistsError:  # another worker has made it just now
        if not folder.is_dir():
            raise
