"""Changes of neurons that are undone when their block ends, bit for bit and whatever was thrown inside.

`scale_values` and `set_values` act on activations at the target positions (in free generation: the last
prompt token and every generated one) or everywhere; `scale_weights` acts on the in- and out-weights
and so at every position. Sources: Dai et al. (2022) for values, Cracking Factual Knowledge (ACL 2025) for weights.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from factneurons.errors import BadSetting
from factneurons.models.adapters import matrix, sizes
from factneurons.models.hooks import Registration, before, hooked
from factneurons.models.types import Neuron

if TYPE_CHECKING:
    from factneurons.models.model import Model

Positions = Literal["target", "all"]
Parts = Literal["both", "out", "in"]
_POSITIONS: tuple[Positions, ...] = ("target", "all")
_PARTS: dict[str, tuple[bool, bool]] = {"both": (True, True), "out": (True, False), "in": (False, True)}

Change = Callable[[Tensor, Tensor], Tensor]
"""From the chosen neurons' values [positions, neurons] and their numbers in the given order, the new values."""


def existing(model: Model, neurons: Iterable[tuple[int, int]]) -> list[Neuron]:
    """The neurons as they are given.

    Raises:
        BadSetting: a layer or an index the model does not have.
    """
    result = [Neuron(*neuron) for neuron in neurons]
    layers, width = model.layer_count, model.width
    for layer, index in result:
        if not 0 <= layer < layers or not 0 <= index < width:
            raise BadSetting(
                f"{model.name} has no neuron ({layer}, {index}): layers are 0 to {layers - 1}, indices 0 to {width - 1}"
            )
    return result


def checked(model: Model, neurons: Iterable[tuple[int, int]]) -> list[Neuron]:
    """The neurons, each once, in order.

    Raises:
        BadSetting: a layer or an index the model does not have.
    """
    return list(dict.fromkeys(existing(model, neurons)))


def check_positions(positions: str) -> None:
    """Raise BadSetting, listing what is valid, for an unknown name."""
    if positions not in _POSITIONS:
        raise BadSetting(f"unknown positions {positions!r}; valid: {', '.join(_POSITIONS)}")


@contextmanager
def changed_values(
    model: Model, neurons: Iterable[tuple[int, int]], change: Change, positions: Positions
) -> Iterator[None]:
    """Change the values of neurons for the time of the block."""
    check_positions(positions)
    by_layer: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for number, neuron in enumerate(checked(model, neurons)):
        by_layer[neuron.layer].append((neuron.index, number))
    hooks = [hook for layer, entries in by_layer.items() for hook in _hooks(model, layer, entries, change, positions)]
    model.interventions += 1
    try:
        with hooked(hooks):
            yield
    finally:
        model.interventions -= 1


def _hooks(
    model: Model, layer: int, entries: list[tuple[int, int]], change: Change, positions: Positions
) -> list[Registration]:
    indices = torch.tensor([index for index, _ in entries])
    numbers = torch.tensor([number for _, number in entries])
    shape = [0, 0]

    def enter(module: nn.Module, inputs: tuple[Any, ...], options: dict[str, Any]) -> None:
        shape[:] = (inputs[0] if inputs else options["hidden_states"]).shape[:2]

    def hook(module: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
        changed = inputs[0].clone()
        rows = changed.view(*shape, -1)  # some blocks run their MLP on [rows * tokens, hidden]
        columns = indices.to(changed.device)
        old = rows[..., columns]
        new = change(old, numbers.to(changed.device)).to(changed.dtype)
        if positions == "target":
            where = model.target_mask(layer, shape[0], shape[1]).to(changed.device)
            new = torch.where(where[..., None], new, old)
        rows[..., columns] = new
        return (changed,)

    block, down = model.layers[layer].block, model.layers[layer].down
    return [before(block, enter, keywords=True), before(down, hook)]


def multiply(factor: float) -> Change:
    """Multiply by a constant: 0 suppresses, 2 enhances."""
    return lambda values, numbers: values * factor


def put(new: Mapping[Neuron, float] | Iterable[float]) -> Change:
    """Set to constants, in the order of the neurons."""
    values = torch.tensor(list(new.values() if isinstance(new, Mapping) else new), dtype=torch.float64)
    return lambda old, numbers: values.to(old.device, old.dtype)[numbers].expand_as(old)


@contextmanager
def changed_weights(model: Model, neurons: Iterable[tuple[int, int]], factor: float, parts: Parts) -> Iterator[None]:
    """Multiply the in- and out-weights of neurons for the time of the block; biases stay.

    Raises:
        BadSetting: unknown `parts`.
        BadModel: the weights are quantised or not in memory.
    """
    if parts not in _PARTS:
        raise BadSetting(f"unknown parts {parts!r}; valid: {', '.join(_PARTS)}")
    out, inward = _PARTS[parts]
    views: list[tuple[Tensor, Tensor]] = []
    try:
        for neuron in checked(model, neurons):
            for view in weight_views(model, neuron, out=out, inward=inward):
                views.append((view, view.detach().clone()))
                with torch.no_grad():
                    view.mul_(factor)
        yield
    finally:
        with torch.no_grad():
            for view, original in reversed(views):
                view.copy_(original)


def weight_views(model: Model, neuron: Neuron, *, out: bool, inward: bool) -> list[Tensor]:
    """Views into the weights of one neuron: what it writes [hidden], what it reads (gate first) [hidden]."""
    layer = model.layers[neuron.layer]
    views = [matrix(layer.down).detach()[:, neuron.index]] if out else []
    if inward:
        up = matrix(layer.up).detach()
        if model.adapter.fused:
            views += [up[neuron.index], up[sizes(layer.down)[0] + neuron.index]]
        else:
            views += [] if layer.gate is None else [matrix(layer.gate).detach()[neuron.index]]
            views.append(up[neuron.index])
    return views
