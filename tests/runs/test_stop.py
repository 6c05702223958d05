"""Signals: the first lets the running batch finish, the second stops at once."""

import os
import signal
import threading

import pytest

from factneurons.runs.drive import Silent, drive
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


class Listener(Silent):
    def __init__(self, stops):
        self.stops = stops

    def stopping(self):
        self.stops.append(True)


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
    stops = []
    with pytest.raises(Interrupted, match="run the same command again to go on") as caught:
        drive(run, small.STAGE, facts, signalled(small, number, 2), batch_size=4, progress=Listener(stops))
    assert caught.value.exit_code == code
    assert str(run.folder) in str(caught.value)
    assert len(stops) == 1
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
