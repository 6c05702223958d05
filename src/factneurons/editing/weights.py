"""The out-weights of neurons: whether they may be written, reading and writing them, and adding to what they write.

In: a model, neurons, tensors [neurons, hidden]. Out: the model with other columns in its down-projections. What one
unit of a neuron writes to the residual stream is one column; an edit changes such columns and nothing else.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from factneurons.errors import BadModel
from factneurons.models.adapters import matrix
from factneurons.models.fingerprint import tensor_hash
from factneurons.models.hooks import Registration, after, noting_shape
from factneurons.models.interventions import check_positions
from factneurons.models.model import Model
from factneurons.models.neurons import existing
from factneurons.models.types import Neuron, Positions

_known: WeakKeyDictionary[Model, tuple[object, str]] = WeakKeyDictionary()


def check_editable(model: Model) -> None:
    """Refuse a model whose weights cannot be changed one neuron at a time.

    Raises:
        BadModel: it is quantised, spread over devices, not in memory, or its layers share their weights.
    """
    config = getattr(model.backbone.module, "config", None)
    if getattr(model.backbone.module, "is_quantized", False) or getattr(config, "quantization_config", None):
        raise BadModel(f"{model.name} is quantised, so its weights cannot be edited: load it without quantisation")
    places = getattr(model.backbone.module, "hf_device_map", None) or {}
    if len({str(place) for place in places.values()}) > 1:
        raise BadModel(
            f"{model.name} is spread over {len(set(map(str, places.values())))} places by its device map, so its "
            "weights cannot be edited: load it onto one device"
        )
    owners: dict[int, list[str]] = defaultdict(list)
    for name, parameter in model.backbone.module.named_parameters(remove_duplicate=False):
        owners[id(parameter)].append(name)
    for layer in model.backbone.layers:
        matrix(layer.down)
        names = owners[id(layer.down.weight)]
        if len(names) > 1:
            raise BadModel(
                f"{model.name}: {names[0]} and {names[1]} are one tensor, so an edit of one neuron would change several"
            )


def identity(model: Model) -> str:
    """SHA-256 (hex) of every parameter except the down-projections: the same before and after an edit."""
    downs = {id(layer.down.weight) for layer in model.backbone.layers}
    parameters = {name: each for name, each in model.backbone.module.named_parameters() if id(each) not in downs}
    state = tuple((name, each.data_ptr(), each._version) for name, each in parameters.items())
    if model not in _known or _known[model][0] != state:
        _known[model] = (state, tensor_hash(parameters))
    return _known[model][1]


def columns(model: Model, neurons: Sequence[Neuron]) -> Tensor:
    """A copy of the neurons' out-weights as they are now, on the CPU, [neurons, hidden], in the model's own type."""
    found = existing(model.backbone, neurons)
    if not found:
        return torch.empty(0, model.backbone.hidden_size, dtype=model.backbone.dtype)
    return torch.stack([matrix(model.backbone.layers[n.layer].down).detach()[:, n.index].cpu() for n in found])


def write_columns(model: Model, neurons: Sequence[Neuron], values: Tensor) -> None:
    """Write the neurons' out-weights, [neurons, hidden]."""
    with torch.no_grad():
        for neuron, value in zip(existing(model.backbone, neurons), values, strict=True):
            view = matrix(model.backbone.layers[neuron.layer].down).detach()[:, neuron.index]
            view.copy_(value)


def same_bits(first: Tensor, second: Tensor) -> bool:
    """Whether two tensors have the same type, shape and bytes."""
    if first.dtype != second.dtype or first.shape != second.shape:
        return False
    return torch.equal(_bytes(first), _bytes(second))


def _bytes(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().contiguous().view(torch.uint8)


@contextmanager
def added(model: Model, neurons: Sequence[Neuron], change: Tensor, positions: Positions) -> Iterator[None]:
    """Add to what neurons write for the time of the block, as if `change` were added to their out-weights.

    Args:
        model: the model; its weights stay as they are.
        neurons: each once.
        change: [neurons, hidden], or [rows, neurons, hidden] for a batch of so many rows with a change each.
        positions: "target", the target positions of the query that is asked, or "all".
    """
    check_positions(positions)
    places: dict[int, list[int]] = defaultdict(list)
    for number, neuron in enumerate(existing(model.backbone, neurons)):
        places[neuron.layer].append(number)
    hooks = [
        hook
        for layer, numbers in places.items()
        for hook in _adding(model, layer, [neurons[n].index for n in numbers], change[..., numbers, :], positions)
    ]
    with model.backbone.changed(hooks):
        yield


def _adding(
    model: Model, layer: int, indices: list[int], change: Tensor, positions: Positions
) -> tuple[Registration, Registration]:
    shape, noting = noting_shape(model.backbone.layers[layer].block)

    def leave(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        values = inputs[0].view(*shape, -1)[..., torch.tensor(indices, device=inputs[0].device)]
        more = values @ change.to(values.device, values.dtype)
        if positions == "target":
            more = more * model.backbone.target_mask(layer, shape[0], shape[1]).to(more.device)[..., None]
        return output + more.view_as(output)

    return noting, after(model.backbone.layers[layer].down, leave)
