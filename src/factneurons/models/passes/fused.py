"""Activation functions in one kernel, where transformers writes them as six operations: equal to rounding.

In passes of many rows those operations cost as much as a quarter of the products.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial

from torch import nn
from torch.nn.functional import gelu
from transformers.activations import FastGELUActivation, NewGELUActivation

_FUSED = dict.fromkeys((NewGELUActivation, FastGELUActivation), partial(gelu, approximate="tanh"))


@contextmanager
def fused_activations(modules: Iterable[nn.Module | None]) -> Iterator[None]:
    """For the time of the block, those of the modules that are slow activation functions run in one kernel.

    The block must hold the model's turn: other threads' passes would run the same.
    """
    slow = [module for module in modules if type(module) in _FUSED and "forward" not in vars(module)]
    try:
        for module in slow:
            vars(module)["forward"] = _FUSED[type(module)]  # type: ignore[index]
        yield
    finally:
        for module in slow:
            vars(module).pop("forward", None)
