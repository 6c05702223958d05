"""Changes of neurons that are undone when their block ends, bit for bit and whatever was thrown inside.

`scale_values` and `set_values` act on activations where the neurons of the query that is asked are meant, which is at
its target positions unless it says otherwise (in free generation: at the last prompt token and every generated one), or
everywhere; `scale_weights` acts on the in- and out-weights
and so at every position. Sources: Dai et al. (2022) for values, Cracking Factual Knowledge (ACL 2025) for weights.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from factneurons.errors import BadModel
from factneurons.models.backbone import Backbone
from factneurons.models.hooks import Registration, after, before, noting_shape
from factneurons.models.neurons import checked, in_views, out_views
from factneurons.models.types import Neuron, Parts, Reach
from factneurons.settings import check_choice

_POSITIONS: tuple[Reach, ...] = ("target", "all")
_PARTS: dict[str, tuple[bool, bool]] = {"both": (True, True), "out": (True, False), "in": (False, True)}

Change = Callable[[Tensor, Tensor], Tensor]
"""From the chosen neurons' values [positions, neurons] and their numbers in the given order, the new values."""


def check_positions(positions: str) -> None:
    """Raise BadSetting, listing what is valid, for an unknown name."""
    check_choice("positions", positions, _POSITIONS)


@contextmanager
def changed_values(
    backbone: Backbone, neurons: Iterable[tuple[int, int]], change: Change, positions: Reach, *, pre: bool = False
) -> Iterator[None]:
    """Change the values of neurons, or what their activation function is given (`pre`), for the time of the block."""
    check_positions(positions)
    by_layer: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for number, neuron in enumerate(checked(backbone, neurons)):
        by_layer[neuron.layer].append((neuron.index, number))
    hooks = [
        hook for layer, entries in by_layer.items() for hook in _hooks(backbone, layer, entries, change, positions, pre)
    ]
    carried = {layer: _on_columns(entries, change) for layer, entries in by_layer.items()}
    with backbone.changed(hooks, carried if positions == "target" and not pre else None):
        yield


def _on_columns(entries: list[tuple[int, int]], change: Change) -> Callable[[Tensor], Tensor]:
    """The change of a layer's values [..., width], where only some neurons are changed."""
    indices = torch.tensor([index for index, _ in entries])
    numbers = torch.tensor([number for _, number in entries])

    def changed(values: Tensor) -> Tensor:
        columns = indices.to(values.device)
        result = values.clone()
        result[..., columns] = change(values[..., columns], numbers.to(values.device)).to(values.dtype)
        return result

    return changed


def _hooks(
    backbone: Backbone, layer: int, entries: list[tuple[int, int]], change: Change, positions: Reach, pre: bool
) -> list[Registration]:
    on_columns, parts = _on_columns(entries, change), backbone.layers[layer]
    shape, noting = noting_shape(parts.block)

    def changed(given: Tensor) -> Tensor:
        old = given.view(*shape, -1)  # some blocks run their MLP on [rows * tokens, hidden]
        new = on_columns(old)
        if positions == "target":
            where = backbone.target_mask(layer, shape[0], shape[1]).to(new.device)
            new = torch.where(where[..., None], new, old)
        return new.view(given.shape)

    if pre:  # of gate and up-projection in one matrix the gate comes first
        return [noting, after(parts.gate or parts.up, lambda module, inputs, output: changed(output))]

    def entering(module: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor] | None:
        return None if backbone.own.rows_only else (changed(inputs[0]),)

    return [noting, before(parts.down, entering)]


def multiply(factor: float) -> Change:
    """Multiply by a constant: 0 suppresses, 2 enhances."""
    return lambda values, numbers: values * factor


def put(new: Mapping[Neuron, float] | Iterable[float]) -> Change:
    """Set to constants, in the order of the neurons."""
    values = torch.tensor(list(new.values() if isinstance(new, Mapping) else new), dtype=torch.float64)
    return lambda old, numbers: values.to(old.device, old.dtype)[numbers].expand_as(old)


@contextmanager
def changed_weights(
    backbone: Backbone, neurons: Iterable[tuple[int, int]], factor: float, parts: Parts
) -> Iterator[None]:
    """Multiply the in- and out-weights of neurons for the time of the block; biases stay.

    Raises:
        BadSetting: unknown `parts`, or another thread has changed weights.
        BadModel: the weights are quantised, not in memory, or those of several layers.
    """
    check_choice("parts", parts, _PARTS)
    downs = [getattr(layer.down, "weight", layer.down) for layer in backbone.layers]
    if len({id(each) for each in downs}) < len(downs):
        raise BadModel(
            f"{backbone.name}: several layers share one tensor of weights, so those of one neuron cannot be changed "
            "alone; change its values (scale_values)"
        )
    out, inward = _PARTS[parts]
    views: list[tuple[Tensor, Tensor]] = []
    with backbone.turns.writing():
        try:
            for neuron in checked(backbone, neurons):
                for view in [
                    *(out_views(backbone, neuron) if out else ()),
                    *(in_views(backbone, neuron) if inward else ()),
                ]:
                    views.append((view, view.detach().clone()))
                    with torch.no_grad():
                        view.mul_(factor)
            yield
        finally:
            with torch.no_grad():
                for view, original in reversed(views):
                    view.copy_(original)
