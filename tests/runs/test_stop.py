from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from factneurons.runs import stop
from factneurons.runs.stop import SIGNALS, Interrupted, StopSignals


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_asks_and_the_second_stops(number, code, tmp_path):
    told = []
    with StopSignals(tmp_path, lambda: told.append("asked")) as signals:
        signals.raise_if_asked()
        os.kill(os.getpid(), number)
        assert (signals.asked, told) == (number, ["asked"])
        with pytest.raises(Interrupted, match=r"stopped: everything finished is kept in .*same command again") as stop:
            signals.raise_if_asked()
        assert stop.value.exit_code == code
        with pytest.raises(Interrupted):
            os.kill(os.getpid(), number)
    assert told == ["asked"]


@pytest.mark.trial("signal")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_batch_without_end_is_not_waited_for(number, code, tmp_path, monkeypatch):
    def run():
        with StopSignals(tmp_path, lambda: None):
            os.kill(os.getpid(), number)
            time.sleep(60)

    monkeypatch.setattr(stop, "PATIENCE", 0.05)
    with pytest.raises(Interrupted) as stopped:
        run()
    assert stopped.value.exit_code == code
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL


def test_a_batch_that_is_finished_in_time_stops_the_clock(tmp_path):
    with StopSignals(tmp_path, lambda: None) as signals:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.PATIENCE - 1 < signal.getitimer(signal.ITIMER_REAL)[0] <= stop.PATIENCE
        with pytest.raises(Interrupted):
            signals.raise_if_asked()
        assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_somebody_elses_alarm_clock_goes_on(tmp_path):
    rung = []
    former = signal.signal(signal.SIGALRM, lambda *_: rung.append(1))
    signal.setitimer(signal.ITIMER_REAL, 60)
    try:
        with StopSignals(tmp_path, lambda: None):
            os.kill(os.getpid(), signal.SIGINT)
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 50
        os.kill(os.getpid(), signal.SIGALRM)
        assert rung == [1]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)


def test_an_interruption_is_one_of_the_keyboard(tmp_path):
    assert issubclass(Interrupted, KeyboardInterrupt)
    assert str(tmp_path) in str(Interrupted(signal.SIGINT, tmp_path))


def test_the_former_handlers_are_back_whatever_happened(tmp_path):
    former = [signal.getsignal(number) for number in SIGNALS]
    with pytest.raises(ZeroDivisionError), StopSignals(tmp_path, lambda: None):
        raise ZeroDivisionError
    assert [signal.getsignal(number) for number in SIGNALS] == former


def test_what_is_ignored_stays_ignored(tmp_path):
    former = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with StopSignals(tmp_path, lambda: None) as signals:
            os.kill(os.getpid(), signal.SIGTERM)
            assert signals.asked is None
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, former)


def test_another_thread_catches_nothing(tmp_path):
    seen = []

    def work():
        with StopSignals(tmp_path, lambda: None):
            seen.append([signal.getsignal(number) for number in SIGNALS])

    before = [signal.getsignal(number) for number in SIGNALS]
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
