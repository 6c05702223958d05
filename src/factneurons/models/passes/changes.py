"""Sets of multiplied neurons as arrays, and the rows in which they are multiplied.

In: for every item, sets of neurons with factors. Out: what `rows.run_rows` takes: where rows start, and what changes in
them on their way. Items have rows of their own number: the k-th rows of all items start together, at the lowest layer
that any of their sets touches.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from factneurons.errors import BadSetting
from factneurons.models.backbone import Backbone
from factneurons.models.neurons import existing
from factneurons.models.passes.capture import Capture
from factneurons.models.passes.rows import Multiplied
from factneurons.models.types import FloatArray, IntArray, Neuron


@dataclass(frozen=True, slots=True)
class NeuronSets:
    """Sets of neurons that are not empty, in the order of the lowest layers they touch.

    Attributes:
        numbers: [sets], where each was among the given ones.
        lowest: [sets], its lowest layer.
        sets, layers, indices, factors: [entries], one for each neuron of a set, with its place in `numbers`.
    """

    numbers: IntArray
    lowest: IntArray
    sets: IntArray
    layers: IntArray
    indices: IntArray
    factors: FloatArray

    @classmethod
    def of(
        cls, backbone: Backbone, given: Sequence[Collection[tuple[int, int]]], factors: Sequence[float]
    ) -> NeuronSets:
        """Read sets, each neuron of one once.

        Raises:
            BadSetting: a neuron that the model does not have, or not one factor for each set.
        """
        if len(factors) != len(given):
            raise BadSetting(f"{len(given)} neuron sets need one factor or as many, not {len(factors)}")
        sizes = [len(neurons) for neurons in given]
        flat = np.fromiter(chain.from_iterable(chain.from_iterable(given)), np.int64, 2 * sum(sizes)).reshape(-1, 2)
        layers, width = backbone.layer_count, backbone.width
        if len(flat) and bool(((flat < 0) | (flat >= (layers, min(backbone.widths)))).any()):
            existing(backbone, chain.from_iterable(given))  # says which
        owner = np.repeat(np.arange(len(given)), sizes)
        keys = np.unique((owner * layers + flat[:, 0]) * width + flat[:, 1])
        owner, layer, index = keys // width // layers, keys // width % layers, keys % width
        filled, first = np.unique(owner, return_index=True)  # keys rise, so a set's first entry is its lowest
        order = np.argsort(layer[first], kind="stable")
        place = np.empty(len(given), dtype=np.int64)
        place[filled[order]] = np.arange(len(order))
        every = np.asarray(factors, dtype=np.float64)
        return cls(filled[order], layer[first][order], place[owner], layer, index, every[owner])

    def __len__(self) -> int:
        return len(self.numbers)

    def part(self, begin: int, end: int) -> NeuronSets:
        """Some of the sets."""
        own = (self.sets >= begin) & (self.sets < end)
        return NeuronSets(
            self.numbers[begin:end],
            self.lowest[begin:end],
            self.sets[own] - begin,
            self.layers[own],
            self.indices[own],
            self.factors[own],
        )

    def factors_of(self) -> list[dict[Neuron, float]]:
        """Every set as a mapping from its neurons to their factors."""
        found: list[dict[Neuron, float]] = [{} for _ in self.numbers]
        entries = zip(
            self.sets.tolist(), self.layers.tolist(), self.indices.tolist(), self.factors.tolist(), strict=True
        )
        for number, layer, index, factor in entries:
            found[number][Neuron(layer, index)] = factor
        return found


@dataclass(frozen=True, slots=True)
class ChangedRows:
    """Rows of a capture's items, in each of which one set of neurons is multiplied.

    Attributes:
        begins: [rows], the layer at which the k-th rows of all items start.
        real: [I, rows], which rows hold a set; items with fewer sets than others have rows that do not count.
        starts: per layer, as `run_rows` takes them.
        changes: by layer, as `run_rows` takes them.
    """

    begins: IntArray
    real: Tensor
    starts: list[Tensor | None]
    changes: dict[int, Multiplied]

    @classmethod
    def of(cls, captured: Capture, sets: Sequence[NeuronSets]) -> ChangedRows:
        """The rows of the items' sets, at least one of which is not empty."""
        device = captured.rows.device
        counts = np.array([len(own) for own in sets])
        begins = np.full(counts.max(), len(captured.activations), dtype=np.int64)
        for own in {id(own): own for own in sets}.values():
            np.minimum(begins[: len(own)], own.lowest, out=begins[: len(own)])
        items = np.repeat(np.arange(len(sets)), [len(own.sets) for own in sets])
        rows, layers, indices = (
            np.concatenate([getattr(own, name) for own in sets]) for name in ("sets", "layers", "indices")
        )
        factors = np.concatenate([own.factors for own in sets])
        starts: list[Tensor | None] = []
        changes: dict[int, Multiplied] = {}

        def multiplied(which: npt.NDArray[np.bool_], first: int = 0) -> Multiplied:
            places = (items[which], rows[which] - first, indices[which])
            one, other, third = (torch.from_numpy(place).to(device) for place in places)
            return Multiplied(one, other, third, torch.from_numpy(factors[which]).to(device))

        for layer, activation in enumerate(captured.activations):
            starting = np.flatnonzero(begins == layer)
            starts.append(None)
            if len(starting):
                copies = activation[:, None].expand(-1, len(starting), -1, -1)
                starts[-1] = multiplied((layers == layer) & (begins[rows] == layer), int(starting[0]))(copies)
            passing = (layers == layer) & (begins[rows] < layer)
            if passing.any():
                changes[layer] = multiplied(passing)
        real = torch.from_numpy(np.arange(len(begins)) < counts[:, None]).to(device)
        return cls(begins, real, starts, changes)
