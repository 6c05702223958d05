"""The fastest float32 matrix product this machine has, chosen by a measurement.

PyTorch can send float32 products to different libraries; which one is faster differs between processors, and
a setting that stays exact on one of them rounds to bfloat16 on another. So each setting is tried once per
process on a small product, in turn with the others: it is used only if it is as exact as float32 can be, and faster in
all rounds but one, so that what differs by noise only is left as it is.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch

_LIBRARY: Any = torch.backends.mkldnn
_SETTINGS = ("tf32", "bf16")
_EXACT = 2e-6
_FASTER = 1.1
_ROUNDS = 9
_MISSED = 1

_LOCK = threading.RLock()
_restored: list[Any] = []
"""What open blocks found, the setting belonging to the whole process."""


@contextmanager
def fast_products(device: torch.device, dtype: torch.dtype) -> Iterator[None]:
    """For the time of the block, route float32 products on a CPU the fastest exact way; restore after."""
    setting = _best_setting() if device.type == "cpu" and dtype == torch.float32 else None
    if setting is None:
        yield
        return
    with _LOCK:
        _restored.append(_LIBRARY.matmul.fp32_precision)
        _LIBRARY.matmul.fp32_precision = setting
    try:
        yield
    finally:
        with _LOCK:  # blocks of several threads overlap: the last to end puts back what the first one found
            first = _restored[0]
            _restored.pop()
            _LIBRARY.matmul.fp32_precision = setting if _restored else first


def routing() -> str:
    """The setting in use on this machine's CPU, for reports: "default" where nothing faster is exact."""
    return _best_setting() or "default"


@cache
def _best_setting() -> str | None:
    if not _LIBRARY.is_available() or not hasattr(_LIBRARY, "matmul"):
        return None
    generator = torch.Generator().manual_seed(0)
    left = torch.randn(96, 768, generator=generator)
    right = torch.randn(768, 1536, generator=generator)
    exact = left.double() @ right.double()
    matmul = _LIBRARY.matmul
    old = matmul.fp32_precision
    try:
        usual = (None, *(setting for setting in _SETTINGS if _is_exact(setting, left, right, exact)))
        rounds = [{setting: _seconds(setting or old, left, right) for setting in usual} for _ in range(_ROUNDS)]
    finally:
        matmul.fp32_precision = old
    best = None
    for setting in usual:
        if _clearly_faster([each[setting] for each in rounds], [each[best] for each in rounds]):
            best = setting
    return best


def _is_exact(setting: str, left: torch.Tensor, right: torch.Tensor, exact: torch.Tensor) -> bool:
    _LIBRARY.matmul.fp32_precision = setting
    error = ((left @ right).double() - exact).abs().max() / exact.abs().max()
    return bool(error < _EXACT)


def _clearly_faster(seconds: Sequence[float], others: Sequence[float]) -> bool:
    """Whether it is faster in all rounds but `_MISSED`; each round timed both one after the other."""
    wins = sum(own * _FASTER < other for own, other in zip(seconds, others, strict=True))
    return wins >= len(seconds) - _MISSED


def _seconds(setting: str, left: torch.Tensor, right: torch.Tensor) -> float:
    """Processor time of one product: what else runs on a busy machine does not count."""
    _LIBRARY.matmul.fp32_precision = setting
    left @ right  # the first one after a change prepares
    start = time.process_time()
    left @ right
    return time.process_time() - start
