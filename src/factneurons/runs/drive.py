"""Drive a stage: take facts from a stream, skip what is done, work in batches, keep every finished batch.

The stream is never held: memory grows only by one short key per fact.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from factneurons.errors import BadFact, BadModel, BadNumber, BadRun, BadSetting, FactneuronsError, NotAskable
from factneurons.facts.types import Fact
from factneurons.runs.counts import Counts, Summary
from factneurons.runs.skips import Skip
from factneurons.runs.stop import StopSignals
from factneurons.runs.store import Run
from factneurons.settings import check_number
from factneurons.tables import Row


@dataclass(frozen=True, slots=True)
class Batch:
    """What work returns for some facts: every fact has at least one row, or a skip that says why not.

    Attributes:
        rows: table -> rows.
        skips: facts and prompts that were left out.
    """

    rows: Mapping[str, Sequence[Row]]
    skips: Sequence[Skip] = ()


@dataclass(frozen=True, slots=True)
class Pace:
    """How far a stage is.

    Attributes:
        done: facts dealt with by this call.
        before: facts that were found done already.
        total: how many facts there are, if anyone knows.
        seconds: since the call began.
    """

    done: int
    before: int
    total: int | None
    seconds: float

    @property
    def facts_per_second(self) -> float:
        """Facts dealt with per second, those found done not counted."""
        return self.done / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """At this speed; None if the total or the speed is not known yet."""
        if self.total is None or not self.facts_per_second:
            return None
        return max(0, self.total - self.before - self.done) / self.facts_per_second


class Progress(Protocol):
    """Whoever shows how far a stage is."""

    def update(self, pace: Pace) -> None:
        """Called after every commit, and now and then while facts that are done are passed over."""

    def stopping(self) -> None:
        """The user asked to stop; the running batch is finished first.

        Called from inside a signal handler: note it down for the next time something is shown, print nothing.
        """


class Silent:
    """Shows nothing."""

    def update(self, pace: Pace) -> None:
        """Nothing."""

    def stopping(self) -> None:
        """Nothing."""


Work = Callable[[list[Fact]], Batch]

_RUN_IS_WRONG = (BadModel, BadRun, BadSetting)
"""Errors that no other fact would escape."""

_REASONS: tuple[tuple[type[FactneuronsError], str], ...] = (
    (BadFact, "bad-fact"),
    (BadNumber, "bad-number"),
    (FactneuronsError, "failed"),
)
_SKIPS_PER_COMMIT = 500
_UPDATE_EVERY = 1000


def drive(
    run: Run,
    stage: str,
    facts: Iterable[Fact | Skip],
    work: Work,
    *,
    batch_size: int,
    skip_bad: bool = False,
    progress: Progress | None = None,
    total: int | None = None,
) -> Summary:
    """Work on every fact of a stream that the stage has not dealt with yet, and keep the results.

    Args:
        run: open for writing.
        stage: the stage's name, as in the run's manifest.
        facts: the stream; a Skip in it stands for a record, or a part of one, that was left out on reading.
        work: turns up to `batch_size` facts into rows. A NotAskable it raises is recorded in `skipped`.
        batch_size: facts per call of `work` and per commit.
        skip_bad: record facts that fail in `skipped` and go on, instead of stopping at the first one.
        progress: is told how far it is.
        total: how many facts the stream holds, if known; only for the time left.

    Raises:
        Interrupted: Ctrl-C or SIGTERM; the running batch was finished and kept.
        FactneuronsError: from the stream, or from the work on one fact; everything finished was kept.
    """
    check_number("batch_size", batch_size, whole=True, least=1)
    driver = _Driver(run, stage, work, skip_bad, progress or Silent(), total)
    with StopSignals(run.folder, driver.progress.stopping) as stop:
        try:
            for batch in driver.batches(facts, batch_size, stop):
                driver.finish(batch)
                stop.raise_if_asked()
        except BaseException:
            with suppress(FactneuronsError):
                run.set_state(stage, "interrupted")
            raise
        run.set_state(stage, "done")
    return Summary(driver.counts, driver.before, driver.repeated, time.monotonic() - driver.began)


@dataclass(slots=True)
class _Pending:
    facts: list[Fact] = field(default_factory=list)
    records: list[Skip] = field(default_factory=list)


@dataclass(slots=True)
class _Outcome:
    """What is ready for one commit."""

    facts: list[Fact] = field(default_factory=list)
    rows: dict[str, list[Row]] = field(default_factory=dict)
    skips: list[Skip] = field(default_factory=list)

    def add(self, facts: Sequence[Fact], batch: Batch) -> None:
        self.facts += facts
        for name, table in batch.rows.items():
            self.rows.setdefault(name, []).extend(table)
        self.skips += batch.skips


class _Driver:
    """One call of `drive`, while it lasts."""

    def __init__(self, run: Run, stage: str, work: Work, skip_bad: bool, progress: Progress, total: int | None) -> None:
        self.run, self.stage, self.work, self.skip_bad = run, stage, work, skip_bad
        self.progress, self.total = progress, total
        self.began = time.monotonic()
        self.counts = Counts()
        self.before = self.repeated = 0
        self.keys_by_name = {(name.fact_id, name.language): name.key for name in run.fact_names(stage)}
        self.records = run.done(stage).difference(self.keys_by_name.values())
        self.fresh: set[str] = set()

    def batches(self, facts: Iterable[Fact | Skip], size: int, stop: StopSignals) -> Iterator[_Pending]:
        """Batches of what is still to do. If the stream fails, what came before is still handed out."""
        pending = _Pending()
        failure: FactneuronsError | None = None
        stream = iter(facts)
        while True:
            try:
                item = next(stream)
                self._take(item, pending)
            except StopIteration:
                break
            except FactneuronsError as error:
                failure = error
                break
            stop.raise_if_asked()
            if len(pending.facts) == size or len(pending.records) == _SKIPS_PER_COMMIT:
                yield pending
                pending = _Pending()
        if pending.facts or pending.records:
            yield pending
        if failure is not None:
            raise failure

    def _take(self, item: Fact | Skip, pending: _Pending) -> None:
        if isinstance(item, Skip):
            self._take_record(item, pending)
            return
        known = self.keys_by_name.get((item.id, item.language))
        key = item.key
        if known == key:
            self._pass_over(key)
        elif known is None:
            self.keys_by_name[item.id, item.language] = key
            self.fresh.add(key)
            pending.facts.append(item)
        else:
            where = f"{item.source}: " if item.source else ""
            message = f"{where}fact {item.id!r} ({item.language}) is there twice, with different content"
            if not self.skip_bad:
                raise BadFact(message)
            self._take_record(Skip("duplicate-fact", message, source=item.source), pending)

    def _take_record(self, record: Skip, pending: _Pending) -> None:
        key = record.key
        if key in self.records:
            self._pass_over(key)
            return
        self.records.add(key)
        self.fresh.add(key)
        pending.records.append(record)

    def _pass_over(self, key: str) -> None:
        if key in self.fresh:
            self.repeated += 1
            return
        self.before += 1
        if self.before % _UPDATE_EVERY == 0:
            self._show()

    def finish(self, pending: _Pending) -> None:
        """Work on a batch and commit it; if one fact makes it fail, find out which."""
        outcome = _Outcome(skips=list(pending.records))
        failure = None
        if pending.facts:
            failure = self._work_on(pending.facts, outcome)
        self._commit(outcome)
        if failure is not None:
            raise failure

    def _work_on(self, facts: list[Fact], outcome: _Outcome) -> FactneuronsError | None:
        try:
            outcome.add(facts, self.work(facts))
            return None
        except _RUN_IS_WRONG as error:
            return error
        except FactneuronsError as error:
            if len(facts) > 1:
                return self._one_by_one(facts, outcome)
            skip = self._skip(facts[0], error)
            if skip is None:
                return error
            outcome.add(facts, Batch({}, [skip]))
            return None

    def _one_by_one(self, facts: list[Fact], outcome: _Outcome) -> FactneuronsError | None:
        for fact in facts:
            failure = self._work_on([fact], outcome)
            if failure is not None:
                return failure
        return None

    def _skip(self, fact: Fact, error: FactneuronsError) -> Skip | None:
        if isinstance(error, NotAskable):
            return Skip.of(fact, error.reason, str(error))
        if not self.skip_bad:
            return None
        reason = next(code for kind, code in _REASONS if isinstance(error, kind))
        return Skip.of(fact, reason, str(error), askable=True)

    def _commit(self, outcome: _Outcome) -> None:
        if outcome.facts or outcome.skips:
            commit = self.run.commit(self.stage, outcome.facts, outcome.rows, outcome.skips)
            self.counts += commit.counts
            self._show()

    def _show(self) -> None:
        seconds = time.monotonic() - self.began
        self.progress.update(Pace(self.counts.read, self.before, self.total, seconds))
