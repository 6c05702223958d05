"""The fastest float32 matrix product of this machine that is exact, and the same one in every process.

PyTorch can send float32 products to different libraries. On x86 it sends them to MKL, which is Intel's and less than
half as fast as oneDNN on other makers' processors. `fp32_precision` set to "bf16" or "tf32" allows oneDNN to round,
which it does where the processor has such units, and else has it take the product, in whole float32. So on a
processor of another maker each setting is tried on a small product, and one that stays as exact as float32 can be is
used. Nothing is timed: a choice by time falls now this way, now that, and with it the last digits of every number.
"""

from __future__ import annotations

import os
import platform
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import torch

_LIBRARY: Any = torch.backends.mkldnn
_SETTINGS = ("bf16", "tf32")
"""Those that may have oneDNN take the product, the first one of them on most processors."""
_EXACT = 2e-6
_KEPT = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "32", "LRU_CACHE_CAPACITY": "32"}
"""oneDNN, and PyTorch for it, keep a program for each shape of a product, for 1,024 shapes if nobody says otherwise.
Batches of facts have as many, and that is a gigabyte. What a user has set counts."""
_MAKERS = ("AuthenticAMD", "HygonGenuine")
"""Who makes x86 processors but Intel, as the processor says it."""

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
    if not (_LIBRARY.is_available() and hasattr(_LIBRARY, "matmul") and torch.backends.mkl.is_available()):
        return None
    if not any(maker in _processor() for maker in _MAKERS):
        return None
    for name, shapes in _KEPT.items():  # read once, at the first product that oneDNN takes
        os.environ.setdefault(name, shapes)
    generator = torch.Generator().manual_seed(0)
    left = torch.randn(96, 768, generator=generator)
    right = torch.randn(768, 1536, generator=generator)
    exact = left.double() @ right.double()
    matmul = _LIBRARY.matmul
    old, usual = matmul.fp32_precision, left @ right
    try:
        for setting in _SETTINGS:
            matmul.fp32_precision = setting
            found = left @ right
            if not torch.equal(found, usual) and (found.double() - exact).abs().max() < _EXACT * exact.abs().max():
                return setting
    finally:
        matmul.fp32_precision = old
    return None


def _processor() -> str:
    """What the processor says of itself."""
    with suppress(OSError):
        return Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    return platform.processor()
