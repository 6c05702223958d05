from __future__ import annotations

import os
import signal
import threading

import pytest

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
