"""Drive a stage: take facts from a stream, skip what is done, work in batches, keep every finished batch.

The stream is cut into the same batches whoever reads it and whatever is done already, so that several workers can
divide it: each takes the lease of a batch that nobody has, and the stage is done when all batches are. The stream is
never held: memory grows only by what names each fact, about a kilobyte.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from factneurons.errors import (
    BadFact,
    BadModel,
    BadNumber,
    BadRun,
    BadSetting,
    FactneuronsError,
    NotAskable,
    OutOfMemory,
)
from factneurons.facts.types import Fact
from factneurons.runs.commits import key_of, new_commits, undisturbed
from factneurons.runs.counts import Counts, Summary
from factneurons.runs.leases import Lease
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
        done: facts dealt with since the call began, by all workers.
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
        """The user asked to stop; the running batch is finished first, if that does not take long.

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
    (OutOfMemory, "out-of-memory"),
    (FactneuronsError, "failed"),
)
_SKIPS_PER_COMMIT = 500
_UPDATE_EVERY = 1000
LOOSE, FEW = 200, 16
"""So many commits more are merged while a stage runs; and at its end, unless they are as few as these."""
_LOOK_AGAIN = 0.2
"""Seconds until batches that others work on are looked at again, when nothing else is left to do."""


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
    passed: Callable[[Fact], None] = lambda fact: None,
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
        passed: is told of every fact of the stream that turned out to be done by somebody else.

    Raises:
        Interrupted: Ctrl-C or SIGTERM; the running batch was finished and kept, if that did not take long.
        FactneuronsError: from the stream, or from the work on one fact; everything finished was kept.
    """
    check_number("batch_size", batch_size, whole=True, least=1)
    driver = _Driver(run, stage, work, skip_bad, progress or Silent(), total, passed)
    with StopSignals(run.folder, driver.progress.stopping) as stop:
        try:
            driver.work_through(facts, batch_size, stop)
        except BaseException:
            with suppress(FactneuronsError):
                run.set_state(stage, "interrupted")
            raise
        run.set_state(stage, "done")
        if len(driver.commits) > FEW:
            run.compact(stage)
    return Summary(driver.counts, driver.before, driver.repeated, time.monotonic() - driver.began)


@dataclass(slots=True)
class _Pending:
    """One batch of the stream, or what is left to do of it.

    Attributes:
        number: the place of its first item in the stream, from 1 on.
        items: facts, and records that never became one.
    """

    number: int
    items: list[tuple[str, Fact | Skip]] = field(default_factory=list)

    @property
    def key(self) -> str:
        """What all workers call it."""
        return key_of(key for key, _ in self.items)

    def count(self, kind: type[Fact] | type[Skip]) -> int:
        """How many facts, or records, it holds."""
        return sum(isinstance(item, kind) for _, item in self.items)


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

    def __init__(
        self,
        run: Run,
        stage: str,
        work: Work,
        skip_bad: bool,
        progress: Progress,
        total: int | None,
        passed: Callable[[Fact], None],
    ) -> None:
        self.run, self.stage, self.work, self.skip_bad = run, stage, work, skip_bad
        self.progress, self.total, self.passed = progress, total, passed
        self.began = time.monotonic()
        self.counts = Counts()
        self.before = self.repeated = self.own = 0
        self.keys_by_name: dict[tuple[str, str], str] = {}
        self.done: set[str] = set()
        self.streamed: set[str] = set()
        self.commits: dict[str, Counts] = {}
        self.at_start = Counts()
        self.look()
        self.at_start, self.counts, self.found = self.counts, Counts(), frozenset(self.done)
        self.compact_at = LOOSE

    def look(self) -> None:
        """See what was committed since the last look, by this worker and by others."""
        before = len(self.done), len(self.commits)
        undisturbed(self._look)
        if before != (len(self.done), len(self.commits)):
            self.counts = sum(self.commits.values(), Counts()) - self.at_start

    def _look(self) -> None:
        for name, commit in new_commits(self.run.folder, self.stage, self.commits):
            for merged in commit.replaces:
                self.commits.pop(merged, None)
            self.commits[name] = commit.counts
            self.keys_by_name.update({(fact.fact_id, fact.language): fact.key for fact in commit.facts})
            self.done.update(commit.keys)

    def work_through(self, facts: Iterable[Fact | Skip], size: int, stop: StopSignals) -> None:
        """Every batch of the stream; those that others work on are come back to."""
        others: list[_Pending] = []
        for batch in self.batches(facts, size, stop):
            if not self.attempt(batch):
                others = [each for each in [*others, batch] if self._left(each)]
            stop.raise_if_asked()
        while others := [batch for batch in others if not self.attempt(batch)]:
            self._show()
            time.sleep(_LOOK_AGAIN)
            stop.raise_if_asked()

    def batches(self, facts: Iterable[Fact | Skip], size: int, stop: StopSignals) -> Iterator[_Pending]:
        """The stream in batches. If it fails, what came before is still handed out."""
        pending = _Pending(1)
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
            if pending.count(Fact) == size or pending.count(Skip) == _SKIPS_PER_COMMIT:
                yield pending
                pending = _Pending(len(self.streamed) + 1)
        if pending.items:
            yield pending
        if failure is not None:
            raise failure

    def _take(self, item: Fact | Skip, pending: _Pending) -> None:
        key = item.key
        if isinstance(item, Fact) and self.keys_by_name.setdefault((item.id, item.language), key) != key:
            where = f"{item.source}: " if item.source else ""
            message = f"{where}fact {item.id!r} ({item.language}) is there twice, with different content"
            if not self.skip_bad:
                raise BadFact(message)
            item = Skip("duplicate-fact", message, source=item.source)
            key = item.key
        if key in self.streamed:
            self.repeated += 1
            return
        self.streamed.add(key)
        pending.items.append((key, item))
        if key in self.found:
            self.before += 1
            if self.before % _UPDATE_EVERY == 0:
                self._show()

    def _left(self, batch: _Pending) -> _Pending:
        """What is still to do of a batch."""
        places = [place for place, (key, _) in enumerate(batch.items) if key not in self.done]
        return _Pending(batch.number + places[0] if places else batch.number, [batch.items[place] for place in places])

    def attempt(self, batch: _Pending) -> bool:
        """Do what is left of a batch, unless another worker is at it; whether all of it is done then."""
        left = self._left(batch)
        if left.items:
            with self.run.lease(self.stage, batch.key) as lease:
                self.look()
                left = self._left(batch)
                if lease is not None and left.items:
                    self.finish(left, lease)
                    return not self._left(batch).items
        if not left.items:
            for _, item in batch.items:
                if isinstance(item, Fact):
                    self.passed(item)
        return not left.items

    def finish(self, batch: _Pending, lease: Lease) -> None:
        """Work on a batch and commit it; if one fact makes it fail, find out which."""
        outcome = _Outcome(skips=[item for _, item in batch.items if isinstance(item, Skip)])
        facts = [item for _, item in batch.items if isinstance(item, Fact)]
        failure = self._work_on(facts, outcome) if facts else None
        if lease.held() and (outcome.facts or outcome.skips):
            self.own += self.run.commit(
                self.stage, outcome.facts, outcome.rows, outcome.skips, batch.number
            ).counts.read
            self.look()
            self._show()
            if len(self.commits) > self.compact_at:
                self.run.compact(self.stage, growing=True)
                self.look()
                self.compact_at = len(self.commits) + LOOSE
        if failure is not None:
            raise failure

    def _work_on(self, facts: list[Fact], outcome: _Outcome) -> FactneuronsError | None:
        try:
            outcome.add(facts, self.work(facts))
            return None
        except _RUN_IS_WRONG as error:
            return error
        except FactneuronsError as error:
            if len(facts) == 1:
                skip = self._skip(facts[0], error)
                if skip is None:
                    return error
                outcome.add(facts, Batch({}, [skip]))
                return None
        for fact in facts:  # only here has the error let go of the memory that the facts took together
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

    def _show(self) -> None:
        seconds = time.monotonic() - self.began
        self.progress.update(Pace(self.counts.read, self.before, self.total, seconds))
        self.run.say(done=self.own, seconds=seconds, total=self.total)
