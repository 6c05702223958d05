"""The weights of neurons: whether they may be written, reading and writing them, and adding to what neurons write.

In: a model, neurons, tensors [neurons, numbers]. Out: the model with other weights there. An edit changes nothing else.
How far it reaches is its extent (`description.EXTENTS`), which says what the numbers of a neuron are:

    out-weights   what one unit of it writes to the residual stream: one column of the down-projection, [hidden]
    neurons       these, then what it reads and its biases: of the gate (where there is one), of the up-projection
    model         no neurons: one row, every parameter of the model in its order
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from factneurons.editing.description import MODEL, OUT_WEIGHTS
from factneurons.errors import BadModel
from factneurons.models.adapters import matrix, sizes
from factneurons.models.backbone import Backbone
from factneurons.models.fingerprint import tensor_hash
from factneurons.models.hooks import Registration, after, noting_shape
from factneurons.models.interventions import check_positions
from factneurons.models.model import Model
from factneurons.models.neurons import existing
from factneurons.models.types import Neuron, Reach

_known: WeakKeyDictionary[Model, tuple[object, str]] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of one parameter.

    Attributes:
        parameter: the parameter.
        turned: whether its columns are meant, not its rows.
        rows: which of them; None: the whole parameter as it is.
    """

    parameter: Tensor
    turned: bool = False
    rows: Tensor | None = None

    def of(self, tensor: Tensor) -> Tensor:
        """The same part of a tensor shaped like the parameter, [rows, numbers]: a copy; a view where it is whole."""
        return tensor if self.rows is None else self._table(tensor)[self.rows]

    def read(self) -> Tensor:
        """The part as it is now, likewise."""
        return self.of(self.parameter.detach())

    def write(self, values: Tensor) -> None:
        """Write [rows, numbers], in the parameter's own type."""
        with torch.no_grad():
            if self.rows is None:
                self.parameter.copy_(values)
            else:
                self._table(self.parameter)[self.rows] = values.to(self.parameter.device, self.parameter.dtype)

    def blank(self, tensor: Tensor) -> None:
        """Fill the same part of a tensor shaped like the parameter with zeros."""
        if self.rows is None:
            tensor.zero_()
        else:
            self._table(tensor)[self.rows] = 0

    def _table(self, tensor: Tensor) -> Tensor:
        return tensor[:, None] if tensor.ndim == 1 else tensor.T if self.turned else tensor


def pieces_of_layer(backbone: Backbone, layer: int, indices: Sequence[int], extent: str) -> list[Piece]:
    """Where the numbers of a layer's neurons stand, in the order of the numbers."""
    found, projections = backbone.layers[layer], [(backbone.layers[layer].down, 0, True)]
    if extent != OUT_WEIGHTS:
        second = sizes(found.down)[0] if backbone.adapter.fused else 0
        inputs = [(found.gate, 0), (found.up, 0), *([(found.up, second)] if second else [])]
        projections += [(module, first, False) for module, first in inputs if module is not None]
    pieces = []
    for module, first, down in projections:
        rows = torch.tensor(indices, dtype=torch.long, device=matrix(module).device) + first
        pieces.append(Piece(module.get_parameter("weight"), down != isinstance(module, Conv1D), rows))
        if not down and getattr(module, "bias", None) is not None:
            pieces.append(Piece(module.get_parameter("bias"), rows=rows))
    return pieces


def pieces_of(model: Model, neurons: Sequence[Neuron], extent: str) -> list[tuple[list[int], list[Piece]]]:
    """What an edit changes: the numbers of its rows, and where these stand, together one layer's (or the model's).

    Raises:
        BadSetting: a neuron the model does not have.
    """
    if extent == MODEL:
        return [([0], [Piece(each) for each in model.backbone.module.parameters()])]
    places: dict[int, list[int]] = defaultdict(list)
    found = existing(model.backbone, neurons)
    for number, neuron in enumerate(found):
        places[neuron.layer].append(number)
    return [
        (numbers, pieces_of_layer(model.backbone, layer, [found[n].index for n in numbers], extent))
        for layer, numbers in places.items()
    ]


def check_editable(model: Model, extent: str = OUT_WEIGHTS) -> None:
    """Refuse a model whose weights cannot be changed this far and no further.

    Raises:
        BadModel: it is quantised, spread over devices, not in memory, its layers share their weights, or (beyond
            out-weights) its weights are of several types.
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
    if extent != MODEL:
        _check_unshared(model, extent)
    if extent != OUT_WEIGHTS:
        everything = [*model.backbone.module.parameters()]
        found = sorted({str(each.dtype).removeprefix("torch.") for each in everything})
        if len(found) > 1:
            raise BadModel(
                f"{model.name} has weights of several types ({', '.join(found)}): load it with dtype=float32"
            )


def _check_unshared(model: Model, extent: str) -> None:
    owners: dict[int, list[str]] = defaultdict(list)
    for name, parameter in model.backbone.module.named_parameters(remove_duplicate=False):
        owners[id(parameter)].append(name)
    for layer in range(model.backbone.layer_count):
        for piece in pieces_of_layer(model.backbone, layer, (), extent):
            names = dict.fromkeys(owners[id(piece.parameter)])
            if len(names) > 1:
                first, second, *_ = names
                raise BadModel(
                    f"{model.name}: {first} and {second} are one tensor, so an edit of one neuron would change several"
                )


def identity(model: Model, extent: str = OUT_WEIGHTS) -> str:
    """SHA-256 (hex) of what an edit of this extent leaves alone: the same before and after it.

    Of a change of the whole model that is nothing but the names and shapes of its parameters.
    """
    parameters = dict(model.backbone.module.named_parameters())
    if extent == MODEL:
        return tensor_hash({f"{name} {tuple(each.shape)}": each.new_empty(0) for name, each in parameters.items()})
    layers = range(model.backbone.layer_count)
    changed = {id(piece.parameter) for n in layers for piece in pieces_of_layer(model.backbone, n, (), extent)}
    parameters = {name: each for name, each in parameters.items() if id(each) not in changed}
    state = tuple((name, each.data_ptr(), each._version) for name, each in parameters.items())
    if model not in _known or _known[model][0] != state:
        _known[model] = (state, tensor_hash(parameters))
    return _known[model][1]


def hash_of_the_rest(model: Model, neurons: Sequence[Neuron], extent: str) -> str:
    """SHA-256 (hex) of every number of the model that an edit of these neurons leaves alone."""
    tensors = dict(model.backbone.module.named_parameters())
    own: dict[int, list[Piece]] = defaultdict(list)
    for _, pieces in pieces_of(model, neurons, extent):
        for piece in pieces:
            own[id(piece.parameter)].append(piece)
    digest = hashlib.sha256()
    for name, tensor in tensors.items():
        blanked = tensor.detach().clone() if own[id(tensor)] else tensor
        for piece in own[id(tensor)]:
            piece.blank(blanked)
        digest.update(tensor_hash({name: blanked}).encode())
    return digest.hexdigest()


def weights_of(model: Model, neurons: Sequence[Neuron], extent: str = OUT_WEIGHTS) -> Tensor:
    """A copy of the neurons' weights as they are now, on the CPU, [neurons, numbers], in the model's own type."""
    if extent == MODEL:
        return torch.cat([each.detach().flatten().cpu() for each in model.backbone.module.parameters()])[None]
    found = torch.empty(len(neurons), model.backbone.hidden_size, dtype=model.backbone.dtype)
    for numbers, pieces in pieces_of(model, neurons, extent):
        rows = torch.cat([piece.read().cpu() for piece in pieces], dim=1)
        if rows.shape[1] != found.shape[1]:
            found = found.new_empty(len(neurons), rows.shape[1])
        found[numbers] = rows
    return found


def write_weights(model: Model, neurons: Sequence[Neuron], values: Tensor, extent: str = OUT_WEIGHTS) -> None:
    """Write the neurons' weights, [neurons, numbers]."""
    for numbers, pieces in pieces_of(model, neurons, extent):
        begin = 0
        for piece in pieces:
            if extent == MODEL:
                count = piece.parameter.numel()
                piece.write(values[0, begin : begin + count].view(piece.parameter.shape))
            else:
                count = piece.read().shape[1]
                piece.write(values[numbers, begin : begin + count])
            begin += count


def same_bits(first: Tensor, second: Tensor) -> bool:
    """Whether two tensors have the same type, shape and bytes."""
    if first.dtype != second.dtype or first.shape != second.shape:
        return False
    return torch.equal(_bytes(first), _bytes(second))


def _bytes(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().contiguous().view(torch.uint8)


@contextmanager
def added(model: Model, neurons: Sequence[Neuron], change: Tensor, positions: Reach) -> Iterator[None]:
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
    model: Model, layer: int, indices: list[int], change: Tensor, positions: Reach
) -> tuple[Registration, Registration]:
    shape, noting = noting_shape(model.backbone.layers[layer].block)

    def leave(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        values = inputs[0].view(*shape, -1)[..., torch.tensor(indices, device=inputs[0].device)]
        more = values @ change.to(values.device, values.dtype)
        if positions == "target":
            more = more * model.backbone.target_mask(layer, shape[0], shape[1]).to(more.device)[..., None]
        return output + more.view_as(output)

    return noting, after(model.backbone.layers[layer].down, leave)
