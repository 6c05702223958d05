"""One model in several threads: passes take turns, and nobody sees another thread's changes of values.

Hooks act in the thread that put them on (`hooks.py`); what is open is remembered per thread here. Weights are the same
for all threads, so while one of them has changed some for a while, the others are refused.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor

from factneurons.errors import BadSetting

Change = Callable[[Tensor], Tensor]
"""From a layer's neuron values [..., width] to what they are changed to."""


class Own(threading.local):
    """What a thread has under way with a model.

    Attributes:
        interventions: the changes of neurons that are open, each by layer where rows can carry it, else None.
        rows_only: whether the running pass carries rows, which are changed on their way.
        targets: where target positions are in the running pass, in an encoder and elsewhere.
    """

    def __init__(self) -> None:
        self.interventions: list[Mapping[int, Change] | None] = []
        self.rows_only = False
        self.targets: tuple[Tensor, Tensor] | None = None


class Turns:
    """Who may run a model now: one thread after the other, and while one has changed weights nobody else.

    Args:
        name: the model's, for messages.
    """

    def __init__(self, name: str) -> None:
        self._name, self._lock = name, threading.RLock()
        self._writer: int | None = None
        self._depth = 0

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Have the model alone for the time of the block.

        Raises:
            BadSetting: another thread has changed its weights.
        """
        with self._lock:
            if self._writer not in (None, threading.get_ident()):
                raise BadSetting(
                    f"{self._name}: another thread has changed its weights for a while; ask when its block has ended, "
                    "or load the model once more"
                )
            yield

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Change weights in the block and put them back at its end; other threads are refused until then.

        Raises:
            BadSetting: another thread does.
        """
        with self.turn():
            self._writer, self._depth = threading.get_ident(), self._depth + 1
        try:
            yield
        finally:
            with self._lock:
                self._depth -= 1
                if not self._depth:
                    self._writer = None
