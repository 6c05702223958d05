"""Driving a stage: order, batches, failing facts, signals, counts, memory."""

import gc
import os
import signal
import threading
import weakref

import pytest

from factneurons.errors import BadFact, BadModel, BadNumber, BadSetting, FactneuronsError, NotAskable, OutOfMemory
from factneurons.facts.types import Fact
from factneurons.runs.counts import Counts
from factneurons.runs.drive import Batch, Pace, drive
from factneurons.runs.skips import Skip
from factneurons.runs.stop import Interrupted
from factneurons.runs.store import Run


@pytest.fixture
def run(tmp_path, small):
    with Run.create_or_resume(tmp_path / "run", small.make_manifest(), small.STAGE) as run:
        yield run


@pytest.fixture
def facts(small):
    """Facts of which the small work leaves nothing out."""
    return [fact for fact in small.make_facts(60) if int(fact.id[-4:]) % 7 and int(fact.id[-4:]) % 5][:20]


def failing(small, bad, error):
    """Work that cannot be done while the fact `bad` is among its facts."""

    def work(facts):
        if bad in facts:
            raise error
        return small.work(facts)

    return work


class Recorder:
    def __init__(self):
        self.paces = []
        self.stops = 0

    def update(self, pace):
        self.paces.append(pace)

    def stopping(self):
        self.stops += 1


def test_facts_are_worked_on_in_batches_in_order(run, small, facts):
    batches = []

    def work(batch):
        batches.append(batch)
        return small.work(batch)

    summary = drive(run, small.STAGE, iter(facts), work, batch_size=8)
    assert batches == [facts[:8], facts[8:16], facts[16:]]
    assert (summary.counts.read, summary.counts.done, summary.before) == (20, 20, 0)
    assert summary.counts == run.counts(small.STAGE)
    assert Run.open(run.folder).manifest.stages[small.STAGE].state == "done"


def test_what_is_done_is_passed_over_by_content_not_by_place(run, small, facts):
    drive(run, small.STAGE, facts[5:12], small.work, batch_size=3)
    asked = []

    def work(batch):
        asked.extend(batch)
        return small.work(batch)

    summary = drive(run, small.STAGE, reversed(facts), work, batch_size=3)
    assert asked == [fact for fact in reversed(facts) if fact not in facts[5:12]]
    assert (summary.before, summary.counts.read) == (7, 13)
    assert len(run.table("facts")) == 20


@pytest.mark.parametrize("batch_size", [1, 2, 7, 32])
def test_batches_change_no_table(tmp_path, small, batch_size):
    small.write_run(tmp_path / "reference", 40, 5)
    small.write_run(tmp_path / "run", 40, batch_size)
    assert small.snapshot(tmp_path / "run") == small.snapshot(tmp_path / "reference")


def test_a_repeated_fact_is_worked_on_once(run, small, facts):
    summary = drive(run, small.STAGE, [*facts, *facts[:4], facts[0]], small.work, batch_size=6)
    assert (summary.counts.read, summary.repeated, summary.before) == (20, 5, 0)
    again = drive(run, small.STAGE, [*facts, facts[0]], small.work, batch_size=6)
    assert again.counts == Counts()


def changed(fact):
    return Fact(fact.id, fact.relation, fact.subject, "Elsewhere", fact.language, fact.prompts, source="f:99")


def test_one_id_with_two_contents_stops_or_is_counted(run, small, facts):
    stream = [*facts, changed(facts[0])]
    with pytest.raises(BadFact, match=r"f:99: fact 'capital/0001' \(en\) is there twice, with different content"):
        drive(run, small.STAGE, stream, small.work, batch_size=50)
    assert len(run.table("facts")) == 20
    for _ in range(2):
        drive(run, small.STAGE, stream, small.work, batch_size=8, skip_bad=True)
        counts = run.counts(small.STAGE)
        assert (counts.read, counts.done, counts.skipped) == (21, 20, {"duplicate-fact": 1})
        assert run.table("skipped").source.tolist() == ["f:99"]


def test_records_that_are_no_facts_are_kept_once(run, small, facts):
    bad = [Skip("bad line", f"line {line} is cut", source=f"facts.jsonl:{line}") for line in range(3)]
    for _ in range(2):
        drive(run, small.STAGE, [bad[0], *facts[:3], bad[1], *facts[3:], bad[2]], small.work, batch_size=4)
        counts = run.counts(small.STAGE)
        assert (counts.read, counts.askable, counts.done) == (23, 20, 20)
        assert counts.skipped == {"bad line": 3}
        assert sorted(run.table("skipped").source) == [f"facts.jsonl:{line}" for line in range(3)]
    only = drive(run, small.STAGE, [Skip("bad line", "another")], small.work, batch_size=4)
    assert only.counts.skipped == {"bad line": 1}


def test_a_prompt_left_out_on_reading_is_no_record_of_its_own(run, small, facts):
    part = Skip("duplicate_prompt", "the same again", facts[0].id, source="f:1", prompt="___ again", part=True)
    for _ in range(2):
        drive(run, small.STAGE, [part, *facts], small.work, batch_size=4)
        counts = run.counts(small.STAGE)
        assert (counts.read, counts.done, counts.skipped) == (20, 20, {})
        assert counts.skipped_prompts == {"duplicate_prompt": 1}
        assert len(run.table("skipped")) == 1


def test_a_stream_that_fails_keeps_what_came_before(run, small, facts):
    def stream():
        yield from facts[:6]
        raise BadFact("facts.jsonl:7: cut")

    with pytest.raises(BadFact, match="cut"):
        drive(run, small.STAGE, stream(), small.work, batch_size=4)
    assert len(run.table("facts")) == 6
    assert run.manifest.stages[small.STAGE].state == "interrupted"


@pytest.mark.parametrize("batch_size", [1, 5, 20])
def test_a_failing_fact_stops_the_run_after_what_came_before_was_kept(run, small, facts, batch_size):
    work = failing(small, facts[12], BadNumber("layer 3 of fact 12 holds a NaN"))
    with pytest.raises(BadNumber, match="layer 3"):
        drive(run, small.STAGE, facts, work, batch_size=batch_size)
    assert {row["fact_id"] for row in run.rows("facts")} >= {fact.id for fact in facts[:12]}
    assert run.counts(small.STAGE).done == 12
    assert run.manifest.stages[small.STAGE].state == "interrupted"
    drive(run, small.STAGE, facts, small.work, batch_size=batch_size)
    assert len(run.table("facts")) == 20


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (BadNumber("a NaN"), "bad-number"),
        (BadFact("no token"), "bad-fact"),
        (OutOfMemory("not enough memory"), "out-of-memory"),
        (FactneuronsError("something else"), "failed"),
    ],
)
def test_a_failing_fact_is_counted_when_asked_to(run, small, facts, error, reason):
    work = failing(small, facts[7], error)
    drive(run, small.STAGE, facts, work, batch_size=5, skip_bad=True)
    counts = run.counts(small.STAGE)
    assert (counts.read, counts.askable, counts.done, counts.skipped) == (20, 20, 19, {reason: 1})
    (row,) = run.rows("skipped")
    assert (row["fact_id"], row["stage"], row["detail"]) == (facts[7].id, small.STAGE, str(error))
    assert drive(run, small.STAGE, facts, small.work, batch_size=5).before == 20


@pytest.mark.trial("one fails")
@pytest.mark.parametrize("batch_size", [8, 100])
def test_one_of_a_hundred_that_always_fails(run, small, batch_size):
    facts = [fact for fact in small.make_facts(300) if int(fact.id[-4:]) % 7 and int(fact.id[-4:]) % 5][:100]
    work = failing(small, facts[61], BadNumber("layer 3 holds a NaN"))
    for _ in range(2):  # it is not tried again
        drive(run, small.STAGE, facts, work, batch_size=batch_size, skip_bad=True)
        counts = run.counts(small.STAGE)
        assert (counts.read, counts.done, counts.skipped) == (100, 99, {"bad-number": 1})
    left = [fact.key for fact in facts if fact is not facts[61]]
    assert sorted(row["key"] for row in run.rows("facts")) == sorted(left)


def test_what_failed_together_is_let_go_before_it_is_tried_alone(run, small, facts):
    """Else the memory that ran out with all of them would still be taken when each is tried."""
    kept = []

    class Activations:
        """As large as memory."""

    def work(batch):
        held = Activations()
        assert not [each for each in kept if each() is not None]
        kept.append(weakref.ref(held))
        if len(batch) > 1:
            raise OutOfMemory("not enough memory")
        return small.work(batch)

    drive(run, small.STAGE, facts[:10], work, batch_size=5)
    assert len(kept) == 2 + 10


def test_a_fact_that_cannot_be_asked_is_always_counted(run, small, facts):
    work = failing(small, facts[7], NotAskable("blank inside", "the blank is not at the end"))
    drive(run, small.STAGE, facts, work, batch_size=5)
    counts = run.counts(small.STAGE)
    assert (counts.read, counts.askable, counts.done) == (20, 19, 19)
    assert counts.skipped == {"blank inside": 1}


def test_a_wrong_model_is_no_facts_fault(run, small, facts):
    calls = []

    def work(batch):
        calls.append(batch)
        raise BadModel("no MLP was found")

    with pytest.raises(BadModel):
        drive(run, small.STAGE, facts, work, batch_size=5, skip_bad=True)
    assert len(calls) == 1
    assert run.counts(small.STAGE) == Counts()


def test_a_mistake_in_the_work_is_no_facts_fault(run, small, facts):
    def work(batch):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        drive(run, small.STAGE, facts, work, batch_size=5, skip_bad=True)
    with pytest.raises(ValueError, match="without any row"):
        drive(run, small.STAGE, facts, lambda batch: Batch({}), batch_size=5)
    assert run.counts(small.STAGE) == Counts()
    assert run.manifest.stages[small.STAGE].state == "interrupted"


def test_batches_hold_at_least_one_fact(run, small, facts):
    with pytest.raises(BadSetting, match="batch_size is 0: it must be at least 1"):
        drive(run, small.STAGE, facts, small.work, batch_size=0)


def signalled(small, number, at_batch, times=1):
    """Work during whose at_batch-th call the process gets a signal."""
    calls = []

    def work(facts):
        calls.append(facts)
        if len(calls) == at_batch:
            for _ in range(times):
                os.kill(os.getpid(), number)
        return small.work(facts)

    return work


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_lets_the_batch_finish_and_keeps_it(run, small, facts, number, code):
    former = signal.getsignal(number)
    progress = Recorder()
    with pytest.raises(Interrupted, match="run the same command again to go on") as caught:
        drive(run, small.STAGE, facts, signalled(small, number, 2), batch_size=4, progress=progress)
    assert caught.value.exit_code == code
    assert str(run.folder) in str(caught.value)
    assert progress.stops == 1
    assert run.counts(small.STAGE).done == 8
    assert signal.getsignal(number) is former
    assert Run.open(run.folder).manifest.stages[small.STAGE].state == "interrupted"
    assert drive(run, small.STAGE, facts, small.work, batch_size=4).before == 8


def test_a_second_signal_stops_at_once(run, small, facts):
    with pytest.raises(Interrupted):
        drive(run, small.STAGE, facts, signalled(small, signal.SIGINT, 3, times=2), batch_size=4)
    assert run.counts(small.STAGE).done == 8
    assert drive(run, small.STAGE, facts, small.work, batch_size=4).before == 8


def test_a_signal_while_the_stream_is_read_is_heard(run, small, facts):
    def stream():
        for place, fact in enumerate(facts):
            if place == 6:
                os.kill(os.getpid(), signal.SIGTERM)
            yield fact

    with pytest.raises(Interrupted):
        drive(run, small.STAGE, stream(), small.work, batch_size=4)
    assert run.counts(small.STAGE).done == 4


def test_an_ignored_signal_stays_ignored(run, small, facts):
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        drive(run, small.STAGE, facts, signalled(small, signal.SIGINT, 2), batch_size=4)
    finally:
        signal.signal(signal.SIGINT, former)
    assert run.counts(small.STAGE).done == 20


def test_a_stage_can_be_driven_outside_the_main_thread(run, small, facts):
    summaries = []
    thread = threading.Thread(target=lambda: summaries.append(drive(run, small.STAGE, facts, small.work, batch_size=4)))
    thread.start()
    thread.join()
    assert summaries[0].counts.done == 20


def test_progress_is_told_after_every_batch(run, small, facts):
    drive(run, small.STAGE, facts[:6], small.work, batch_size=3)
    progress = Recorder()
    drive(run, small.STAGE, facts, small.work, batch_size=7, progress=progress, total=20)
    assert [(pace.done, pace.before, pace.total) for pace in progress.paces] == [(1, 6, 20), (8, 6, 20), (14, 6, 20)]
    assert all(pace.facts_per_second > 0 for pace in progress.paces)


def test_pace():
    pace = Pace(done=10, before=30, total=100, seconds=5.0)
    assert (pace.facts_per_second, pace.seconds_left) == (2.0, 30.0)
    assert Pace(10, 0, None, 5.0).seconds_left is None
    assert Pace(0, 10, 20, 5.0).seconds_left is None
    assert Pace(0, 0, 20, 0.0).facts_per_second == 0.0
    assert Pace(10, 5, 10, 1.0).seconds_left == 0.0


def test_the_stream_is_read_no_further_than_the_batch_and_never_held(run, small):
    read = 0
    alive = []

    def stream():
        nonlocal read
        for fact in small.make_facts(400):
            read += 1
            yield Fact(fact.id, "capital", "S", "A", fact.language, fact.prompts)

    def work(facts):
        worked.append(len(facts))
        assert read <= sum(worked) + 1
        if len(worked) in (5, 45):
            gc.collect()
            alive.append(sum(type(thing) is Fact and thing.subject == "S" for thing in gc.get_objects()))
        return Batch({}, [Skip.of(fact, "none", "nothing to do") for fact in facts])

    worked = []
    drive(run, small.STAGE, stream(), work, batch_size=8)
    assert sum(worked) == 400
    assert max(alive) <= 20
