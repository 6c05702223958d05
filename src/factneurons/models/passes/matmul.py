"""The fastest float32 matrix product this machine has, chosen by a measurement.

PyTorch can send float32 products to different libraries; which one is faster differs between processors, and
a setting that stays exact on one of them rounds to bfloat16 on another. So each setting is tried once per
process on a small product: it is used only if it is as exact as float32 can be, and faster.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch

_LIBRARY: Any = torch.backends.mkldnn
_SETTINGS = ("tf32", "bf16")
_EXACT = 2e-6
_FASTER = 1.1
_REPEATS = 7


@contextmanager
def fast_products(device: torch.device, dtype: torch.dtype) -> Iterator[None]:
    """For the time of the block, route float32 products on a CPU the fastest exact way; restore after."""
    setting = _best_setting() if device.type == "cpu" and dtype == torch.float32 else None
    if setting is None:
        yield
        return
    matmul = _LIBRARY.matmul
    old = matmul.fp32_precision
    try:
        matmul.fp32_precision = setting
        yield
    finally:
        matmul.fp32_precision = old


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
    best, best_seconds = None, _seconds(left, right) / _FASTER
    try:
        for setting in _SETTINGS:
            matmul.fp32_precision = setting
            error = ((left @ right).double() - exact).abs().max() / exact.abs().max()
            seconds = _seconds(left, right)
            if error < _EXACT and seconds < best_seconds:
                best, best_seconds = setting, seconds
    finally:
        matmul.fp32_precision = old
    return best


def _seconds(left: torch.Tensor, right: torch.Tensor) -> float:
    times = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        left @ right
        times.append(time.perf_counter() - start)
    return statistics.median(times)
