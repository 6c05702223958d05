"""Hooks that act in their own thread and are always taken off again, and the exception that ends a pass early."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook
from torch.utils.hooks import RemovableHandle

Registration = Callable[[], RemovableHandle]


class Reached(Exception):
    """Raised inside a forward pass to end it where everything needed is known."""


@contextmanager
def hooked(registrations: Iterable[Registration]) -> Iterator[None]:
    """Register hooks for the time of the block. A failing registration takes the earlier ones off too."""
    handles: list[RemovableHandle] = []
    try:
        for register in registrations:
            handles.append(register())
        yield
    finally:
        for handle in reversed(handles):
            handle.remove()


def before(module: nn.Module, hook: Callable[..., Any], *, keywords: bool = False) -> Registration:
    """A hook that sees, and may replace, the module's input."""
    return lambda: module.register_forward_pre_hook(_in_this_thread(hook), with_kwargs=keywords)


def noting_shape(block: nn.Module) -> tuple[list[int], Registration]:
    """How many rows and tokens a block was last given, and the hook that notes them: some MLPs see neither."""
    shape = [0, 0]

    def note(module: nn.Module, inputs: tuple[Any, ...], options: dict[str, Any]) -> None:
        shape[:] = (inputs[0] if inputs else options["hidden_states"]).shape[-3:-1]  # some carry several streams

    return shape, before(block, note, keywords=True)


def stream_of(output: Any) -> Tensor:
    """The residual stream in what a block gives back: a tensor, or the first of several things."""
    return output[0] if isinstance(output, (tuple, list)) else output  # type: ignore[no-any-return]


def with_stream(output: Any, stream: Tensor) -> Any:
    """What a block gives back, with another residual stream."""
    return type(output)([stream, *output[1:]]) if isinstance(output, (tuple, list)) else stream


def after(module: nn.Module, hook: Callable[..., Any]) -> Registration:
    """A hook that sees, and may replace, the module's output."""
    return lambda: module.register_forward_hook(_in_this_thread(hook))


def after_any(hook: Callable[..., Any]) -> Registration:
    """The same for every module that is called meanwhile, whether or not it is a model's part."""
    return lambda: register_module_forward_hook(_in_this_thread(hook))


def _in_this_thread(hook: Callable[..., Any]) -> Callable[..., Any]:
    """The hook, silent in passes that other threads run through the same modules meanwhile."""
    owner = threading.get_ident()
    return lambda *given: hook(*given) if threading.get_ident() == owner else None
