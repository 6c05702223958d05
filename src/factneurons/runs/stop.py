"""Ctrl-C and SIGTERM: the first one asks a run to stop after the running batch, the second stops at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """A run was stopped from outside; what was finished is kept.

    Attributes:
        exit_code: 130 after Ctrl-C, 143 after SIGTERM.
    """

    def __init__(self, number: int, folder: Path) -> None:
        super().__init__(f"stopped: everything finished is kept in {folder}; run the same command again to go on")
        self.exit_code = 128 + number


class StopSignals:
    """While it is entered, the first signal sets `asked` and the second raises Interrupted.

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
        for number, former in self._former.items():
            signal.signal(number, former)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self.asked is not None:
            raise Interrupted(number, self._folder)
        self.asked = number
        self._on_first()
