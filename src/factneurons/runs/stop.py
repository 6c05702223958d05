"""Ctrl-C and SIGTERM: the first one asks a run to stop after the running batch, the second stops at once.

Who is sent SIGTERM by a cluster is killed soon afterwards: a batch that takes longer than PATIENCE is not waited for.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)
PATIENCE = 6.0
"""Seconds that the running batch is given after the first signal."""


class Interrupted(KeyboardInterrupt):
    """A run was stopped from outside; what was finished is kept.

    Attributes:
        exit_code: 130 after Ctrl-C, 143 after SIGTERM.
    """

    def __init__(self, number: int, folder: Path) -> None:
        super().__init__(f"stopped: everything finished is kept in {folder}; run the same command again to go on")
        self.exit_code = 128 + number


class StopSignals:
    """While it is entered, the first signal sets `asked`; the second, or PATIENCE seconds, raise Interrupted.

    Signals that the process was started to ignore (nohup, background jobs) stay ignored. Outside the main
    thread nothing is caught. On leaving, the former handlers are back.
    """

    def __init__(self, folder: Path, on_first: Callable[[], None]) -> None:
        self.asked: int | None = None
        self._folder = folder
        self._on_first = on_first
        self._former: dict[int, Any] = {}

    def raise_if_asked(self) -> None:
        """Raise Interrupted if a signal has come."""
        if self.asked is not None:
            self._hurry(0)
            raise Interrupted(self.asked, self._folder)

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                former = signal.getsignal(number)
                if former not in (signal.SIG_IGN, None):
                    self._former[number] = former
                    signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hurry(0)
        for number, former in self._former.items():
            signal.signal(number, former)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self.asked is not None:
            raise Interrupted(number, self._folder)
        self.asked = number
        self._hurry(PATIENCE)
        self._on_first()

    def _hurry(self, seconds: float) -> None:
        """Raise Interrupted after so many seconds; 0: not any more. Somebody else's alarm clock is left alone."""
        if not hasattr(signal, "setitimer"):
            return
        if seconds and signal.getsignal(signal.SIGALRM) is signal.SIG_DFL:
            self._former[signal.SIGALRM] = signal.signal(signal.SIGALRM, self._too_late)
        if signal.SIGALRM in self._former:
            signal.setitimer(signal.ITIMER_REAL, seconds)

    def _too_late(self, _number: int, _frame: FrameType | None) -> None:
        self.raise_if_asked()
