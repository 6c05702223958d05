"""How far apart two neurons are: the reciprocal of what one hands to the other through the weights.

In: neurons with their out- and in-weights. Out: a symmetric matrix of distances.

A neuron v reads the residual stream that an earlier neuron u wrote to ('Cracking Factual Knowledge',
ACL 2025):

    w(u, v) = out(u) . in(v)        for layer(u) < layer(v)
    d(u, v) = 1 / |w(u, v)|         infinite where w = 0 and inside one layer

Options ask for the cosine in place of the product, and for w in units of its standard deviation between random
neurons that are as many layers apart: weights grow and shrink with depth and width, and in these units a weight of 1
is one that two neurons of these layers have by chance, so that distances compare across layers and models.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import combinations, pairwise
from typing import get_args

import numpy as np
import numpy.typing as npt

from factneurons.degeneracy.settings import (
    DEFAULT_SPAN,
    Connection,
    DegeneracySettings,
    Gate,
    Scale,
    Similarity,
    Span,
)
from factneurons.errors import BadNumber, BadSetting
from factneurons.models.model import Model
from factneurons.models.types import FloatArray, IntArray, Neuron
from factneurons.settings import check_choice

_Rows = dict[int, IntArray]
"""Layer -> the rows of its neurons in the matrix."""

_Step = Callable[[int, int], FloatArray]
"""(lower layer, upper layer) -> distances [neurons of lower, neurons of upper] by one connection."""

_Block = tuple[int, int, FloatArray]

_PAIRS = 512
"""So many random pairs of neurons are looked at per layer gap."""


def neuron_distances(
    model: Model, neurons: Sequence[Neuron], settings: DegeneracySettings, units: GapUnits | None = None
) -> FloatArray:
    """The distance of every two of n neurons of a model, [n, n], by the settings.

    Args:
        model: whose weights are read.
        neurons: n different neurons.
        settings: span, max_span, gate, similarity, connection, scale, fold_norm_gain and seed are read.
        units: of `scale="layer-gap"`, to be shared by the facts of one model; None: measured anew.

    Raises:
        BadNumber: a weight that is NaN or infinite, or no unit to be had.
        BadSetting: a neuron given twice.
    """
    layers = {neuron.layer for neuron in neurons}
    return distance_matrix(
        neurons,
        model.out_weights(neurons),
        model.in_weights(neurons),
        span=settings.span,
        max_span=settings.max_span,
        gate=settings.gate,
        similarity=settings.similarity,
        connection=settings.connection,
        unit=_UNITS[settings.scale](units or GapUnits(model, settings)),
        norm_gains={layer: model.backbone.norm_gain(layer) for layer in layers} if settings.fold_norm_gain else None,
        encoder_layers=[layer for layer in layers if model.backbone.in_encoder(layer)],
    )


_UNITS: dict[Scale, Callable[[GapUnits], GapUnits | None]] = {"none": lambda _: None, "layer-gap": lambda units: units}


class GapUnits:
    """Standard deviations of connection weights by layer gap, each measured once, when it is first asked for.

    Args:
        model: where random neurons are drawn from.
        settings: gate, similarity, fold_norm_gain and seed are read.
    """

    def __init__(self, model: Model, settings: DegeneracySettings) -> None:
        self._model = model
        self._settings = settings
        self._measured: dict[int, float] = {}

    def __call__(self, gap: int) -> float:
        """The standard deviation of w over random pairs that are `gap` layers apart, at least 1.

        With a gate and an up-projection it is the root of the sum of both variances, as |w| is that of squares.

        Raises:
            BadNumber: it is 0, so that no weight can be measured in it.
        """
        if gap not in self._measured:
            self._measured[gap] = self._measure(gap)
        return self._measured[gap]

    def _measure(self, gap: int) -> float:
        model, settings = self._model, self._settings
        rng = np.random.default_rng([settings.seed, gap])
        layers = range(model.layer_count - gap)
        in_encoder = model.backbone.in_encoder
        lower = rng.choice([layer for layer in layers if in_encoder(layer) == in_encoder(layer + gap)], _PAIRS)
        widths = np.array(model.backbone.widths)  # what an index stands for is arbitrary, so a remainder is as random
        from_, to = rng.integers(model.width, size=(2, _PAIRS)) % widths[np.stack([lower, lower + gap])]
        read = model.in_weights(_neurons(lower + gap, to))
        if settings.fold_norm_gain:
            read = read * np.stack([model.backbone.norm_gain(layer) for layer in (lower + gap).tolist()])[:, None]
        write = model.out_weights(_neurons(lower, from_))
        out, *parts = ready_vectors(write, read, gate=settings.gate, similarity=settings.similarity)
        deviation = math.hypot(*(float(np.std((out * part).sum(axis=1))) for part in parts))
        if not deviation > 0:
            raise BadNumber(
                f"random neurons {gap} layers apart have connection weights that do not differ, so scale = "
                '"layer-gap" has no unit; use scale = "none"'
            )
        return deviation


def _neurons(layers: npt.NDArray[np.int64], indices: npt.NDArray[np.int64]) -> list[Neuron]:
    return [Neuron(layer, index) for layer, index in zip(layers.tolist(), indices.tolist(), strict=True)]


def distance_matrix(
    neurons: Sequence[Neuron],
    out_weights: npt.NDArray[np.floating],
    in_weights: npt.NDArray[np.floating],
    *,
    span: Span = DEFAULT_SPAN,
    max_span: int = 3,
    gate: Gate = "both",
    similarity: Similarity = "dot",
    connection: Connection = "definition",
    unit: Callable[[int], float] | None = None,
    norm_gains: Mapping[int, npt.NDArray[np.floating]] | None = None,
    encoder_layers: Collection[int] = (),
) -> FloatArray:
    """The distance of every two neurons; the unit is 1 / weight.

    Args:
        neurons: n different neurons, in any order.
        out_weights: [n, d], what one unit of each neuron writes to the residual stream.
        in_weights: [n, parts, d], what each neuron reads: one part, or the gate's and the up-projection's.
        span: "residual": any two layers are connected directly. "adjacent": neighbouring layers are, and
            layers further apart by the shortest chain through one of the neurons in every layer between.
        max_span: with "adjacent", the largest layer gap that a chain may bridge.
        gate: with two parts, |w| is the root of the sum of both squares ("both"), or one part's.
        similarity: w is the "dot" product, or the "cosine" of the two vectors.
        connection: "definition", or of neurons with two parts "authors": w is the earlier neuron's gate part times the
            later one's out-weights, so that both are exchanged ('Cracking Factual Knowledge', released code).
        unit: layer gap -> the |w| that counts as 1; None: 1 for every gap.
        norm_gains: layer -> [d], folded into the in-weights of that layer's neurons.
        encoder_layers: the encoder's layers of an encoder-decoder: its two halves have residual streams of
            their own, so nothing connects a layer of one with a layer of the other.

    Returns:
        [n, n] float64, symmetric, 0 on the diagonal, infinite where nothing connects two neurons.

    Raises:
        BadSetting: an unknown span, gate, similarity or connection, shapes that do not fit, a neuron given twice.
        BadNumber: a weight that is NaN or infinite.
    """
    check_choice("span", span, get_args(Span))
    check_choice("connection", connection, get_args(Connection))
    _check_weights(neurons, out_weights, in_weights)
    rows = _rows_by_layer(neurons)
    if connection == "authors" and in_weights.shape[1] == 2:
        out_weights, in_weights = in_weights[:, 0], out_weights[:, None]

    def step(lower: int, upper: int) -> FloatArray:
        if (lower in encoder_layers) != (upper in encoder_layers):
            return np.full((len(rows[lower]), len(rows[upper])), np.inf)
        read = in_weights[rows[upper]].astype(np.float64)
        if norm_gains is not None:
            read = read * norm_gains[upper]
        weights = connection_weights(out_weights[rows[lower]], read, gate=gate, similarity=similarity)
        return _reciprocal(weights if unit is None else weights / unit(upper - lower))

    matrix = np.full((len(neurons), len(neurons)), np.inf)
    for lower, upper, block in _SPANS[span](rows, step, max_span):
        matrix[np.ix_(rows[lower], rows[upper])] = block
        matrix[np.ix_(rows[upper], rows[lower])] = block.T
    np.fill_diagonal(matrix, 0.0)
    return matrix


def connection_weights(
    out_weights: npt.NDArray[np.floating],
    in_weights: npt.NDArray[np.floating],
    *,
    gate: Gate = "both",
    similarity: Similarity = "dot",
) -> FloatArray:
    """|w(u, v)| of every u with every v, from out-weights [a, d] and in-weights [b, parts, d]: [a, b].

    Raises:
        BadSetting: an unknown gate or similarity.
    """
    out, *parts = ready_vectors(out_weights, in_weights, gate=gate, similarity=similarity)
    weights = [np.abs(out @ part.T) for part in parts]
    return np.hypot(weights[0], weights[1]) if len(weights) == 2 else weights[0]


def ready_vectors(
    out_weights: npt.NDArray[np.floating],
    in_weights: npt.NDArray[np.floating],
    *,
    gate: Gate,
    similarity: Similarity,
) -> tuple[FloatArray, ...]:
    """The vectors whose products are connection weights: out [a, d], then each part that counts [b, d].

    Raises:
        BadSetting: an unknown gate or similarity.
    """
    check_choice("gate", gate, tuple(_GATES))
    check_choice("similarity", similarity, tuple(_SIMILARITIES))
    wanted = _GATES[gate] if in_weights.shape[1] == 2 else (0,)
    vectors = [out_weights, *(in_weights[:, part] for part in wanted)]
    return tuple(_SIMILARITIES[similarity](vector.astype(np.float64)) for vector in vectors)


_GATES: dict[str, tuple[int, ...]] = {"both": (0, 1), "gate": (0,), "up": (1,)}
"""Which of two parts of the in-weights count; the only part of a neuron without a gate always counts."""


def _of_length_one(vectors: FloatArray) -> FloatArray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1.0)


_SIMILARITIES: dict[str, Callable[[FloatArray], FloatArray]] = {
    "dot": lambda vectors: vectors,
    "cosine": _of_length_one,
}


def _reciprocal(weights: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore", over="ignore"):
        return 1.0 / weights


def _residual_blocks(rows: _Rows, step: _Step, _max_span: int) -> Iterator[_Block]:
    for lower, upper in combinations(sorted(rows), 2):
        yield lower, upper, step(lower, upper)


def _adjacent_blocks(rows: _Rows, step: _Step, max_span: int) -> Iterator[_Block]:
    """Shortest chains by dynamic programming: one layer further is the best last step of the chain so far."""
    steps = {lower: step(lower, upper) for lower, upper in pairwise(sorted(rows)) if upper == lower + 1}
    for lower in steps:
        chain = steps[lower]
        yield lower, lower + 1, chain
        for below in range(lower + 1, lower + max_span):
            if below not in steps:
                break
            chain = _shortest(chain, steps[below])
            yield lower, below + 1, chain


_SPANS: dict[str, Callable[[_Rows, _Step, int], Iterator[_Block]]] = {
    "residual": _residual_blocks,
    "adjacent": _adjacent_blocks,
}


def _shortest(first: FloatArray, second: FloatArray) -> FloatArray:
    """The min-plus product: min over k of first[i, k] + second[k, j]."""
    best = np.full((first.shape[0], second.shape[1]), np.inf)
    through = np.empty_like(best)
    for middle in range(first.shape[1]):
        np.add(first[:, middle, None], second[None, middle], out=through)
        np.minimum(best, through, out=best)
    return best


def _rows_by_layer(neurons: Sequence[Neuron]) -> _Rows:
    layers = np.array([neuron.layer for neuron in neurons], dtype=np.int64)
    return {int(layer): np.nonzero(layers == layer)[0] for layer in np.unique(layers)}


def _check_weights(
    neurons: Sequence[Neuron],
    out_weights: npt.NDArray[np.floating],
    in_weights: npt.NDArray[np.floating],
) -> None:
    count = len(neurons)
    if len(set(neurons)) != count:
        raise BadSetting("distances: a neuron is given twice; give every neuron once")
    if out_weights.ndim != 2 or in_weights.ndim != 3 or in_weights.shape[1] not in (1, 2):
        raise BadSetting(
            f"distances: out-weights are [n, d] and in-weights [n, 1 or 2, d], "
            f"not {out_weights.shape} and {in_weights.shape}"
        )
    if not out_weights.shape[0] == in_weights.shape[0] == count:
        raise BadSetting(f"distances: {count} neurons, but weights of {out_weights.shape[0]} and {in_weights.shape[0]}")
    finite = np.isfinite(out_weights).all(axis=1) & np.isfinite(in_weights).all(axis=(1, 2))
    if not finite.all():
        neuron = neurons[int(np.argmin(finite))]
        raise BadNumber(f"layer {neuron.layer}, neuron {neuron.index}: a weight is NaN or infinite")
