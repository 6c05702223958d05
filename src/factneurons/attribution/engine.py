"""The engine: gradients integrated along straight paths inside one layer, for all layers of many items at once.

For the target function F of a layer's neurons a, and a path from a baseline b,

    Attr_j = (a_j - b_j) * integral_0^1 dF/da_j (b + s (a - b)) ds,

all neurons of that layer at the target position moving together (Dai et al., 2022; Sundararajan et al., 2017).
Completeness says that the scores of a layer sum to F(a) - F(b); how far they miss is measured on every path.
The path points of all layers, paths and items become rows of `models.rows`, in chunks that fit a budget.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from factneurons.attribution.baselines import Baselines
from factneurons.attribution.quadrature import ADAPTIVE, ADAPTIVE_LEVELS, Rule, quadrature
from factneurons.attribution.settings import AttributionSettings
from factneurons.models.head import wide_dtype
from factneurons.models.model import Model
from factneurons.models.passes.capture import Capture
from factneurons.models.passes.fast_path import values_and_gradients, values_at
from factneurons.models.passes.memory import row_budget, with_backoff

_RELATIVE = 0.01
_NOISE = {torch.float64: 0.0, torch.float32: 1e-5}
_FALLS = 0.5
"""Of what rounding leaves more points take nothing; of what an integral misses they take most."""
_HALF_NOISE = 8.0
"""In half precision, completeness misses by up to so many roundings of the type however many points are spent."""


@dataclass(slots=True)
class Integral:
    """Integrated gradients of I items and P paths.

    Attributes:
        gradient: per layer [I, P, width], the integral of dF/da along each path.
        start: [layers, I, P], F at the paths' starts.
        end: [I], F at the activation.
        error: [layers, I, P], |sum of scores - (F(a) - F(b))|.
        points: [layers, I, P], path points spent.
    """

    gradient: list[Tensor]
    start: Tensor
    end: Tensor
    error: Tensor
    points: Tensor


def integrate(
    model: Model,
    captured: Capture,
    baselines: Baselines,
    settings: AttributionSettings,
    layers: Collection[int] | None = None,
) -> Integral:
    """Integrate dF/da from each baseline to the activation, for every layer.

    Args:
        model: the model.
        captured: items at one target position each.
        baselines: the starts of the paths.
        settings: the rule, the target function and the tolerance.
        layers: only these layers' paths are run, and all of the others' numbers are 0; None: all.
    """
    adaptive = settings.rule == ADAPTIVE
    first = quadrature("radau", ADAPTIVE_LEVELS[0]) if adaptive else quadrature(settings.rule, settings.points)
    work = _Integration(model, captured, baselines, settings, layers)
    work.run(work.everything(), first)
    if adaptive:
        for count in ADAPTIVE_LEVELS[1:]:
            unfinished = work.unfinished()
            if not bool(unfinished.any()):
                break
            work.run(unfinished, quadrature("radau", count))
    return work.result()


class _Integration:
    """The state of one call: what is known of every layer, item and path so far."""

    def __init__(
        self,
        model: Model,
        captured: Capture,
        baselines: Baselines,
        settings: AttributionSettings,
        layers: Collection[int] | None,
    ) -> None:
        self._model, self._captured, self._settings = model, captured, settings
        starts = baselines.starts
        self._starts = starts
        self._steps = [value - start for value, start in zip(captured.vectors, starts, strict=True)]
        self._gradient = [torch.zeros_like(start, dtype=wide_dtype(start.dtype)) for start in starts]
        self.shape = (len(starts), *baselines.real.shape)
        asked = torch.tensor([layers is None or layer in layers for layer in range(len(starts))])
        self._real = baselines.real[None] & asked[:, None, None]
        self._start = torch.zeros(self.shape, dtype=torch.float64)
        self._sum = torch.zeros(self.shape, dtype=torch.float64)
        self._points = torch.zeros(self.shape, dtype=torch.long)
        self._end = target_value(model, captured, settings)
        self._chased = Chased(model)

    def result(self) -> Integral:
        return Integral(self._gradient, self._start, self._end, self._error(), self._points)

    def everything(self) -> Tensor:
        """All paths that count, [layers, I, P]."""
        return self._real

    def _error(self) -> Tensor:
        error = (self._sum - (self._end[None, :, None] - self._start)).abs()
        return error * self._real

    def unfinished(self) -> Tensor:
        """Paths whose error exceeds the tolerance, or a hundredth of the item's largest change of F.

        Errors that the model's precision cannot resolve are not chased.
        """
        change = (self._end[None, :, None] - self._start).abs() * self._real
        largest = change.amax((0, 2), keepdim=True)
        allowed = torch.clamp(_RELATIVE * largest, max=self._settings.tolerance)
        allowed = torch.maximum(allowed, noise_of(self._model, self._end, self._settings)[None, :, None])
        return self._chased.still(self._error(), allowed)

    def run(self, wanted: Tensor, rule: Rule) -> None:
        """Integrate the wanted paths [layers, I, P] with a rule; the union over items decides a layer's paths."""
        items = torch.nonzero(wanted.any(2).any(0))[:, 0]
        paths = [torch.nonzero(wanted[layer][items].any(0))[:, 0] for layer in range(self.shape[0])]
        pairs = node_weights(rule)
        active = max(1, sum(len(chosen) for chosen in paths))
        budget = row_budget(self._model.backbone, self._captured)
        self._wanted = wanted

        def run_chunk(rows: int) -> None:
            per_node = max(1, len(items) * active)
            if rows >= per_node:
                step = rows // per_node
                for begin in range(0, len(pairs), step):
                    self._chunk(items, paths, pairs[begin : begin + step])
                return
            for part_items, part_paths in _split(items, paths, rows):
                for pair in pairs:
                    self._chunk(part_items, part_paths, [pair])

        def start_again(rows: int) -> None:
            self._forget(wanted, len(rule.nodes))
            run_chunk(rows)

        with_backoff(start_again, budget, what=f"attribution with {self._model.name}")

    def _forget(self, wanted: Tensor, points: int) -> None:
        for layer, gradient in enumerate(self._gradient):
            gradient[wanted[layer].to(gradient.device)] = 0.0
        self._sum[wanted] = 0.0
        self._start[wanted] = 0.0
        self._points[wanted] = points

    def _chunk(self, items: Tensor, paths: list[Tensor], pairs: list[tuple[float, float]]) -> None:
        """Rows for every wanted path at a few (node, weight) pairs."""
        captured = self._captured.subset(items)
        nodes = torch.tensor([node for node, _ in pairs], dtype=torch.float64)
        points: list[Tensor | None] = []
        for layer, chosen in enumerate(paths):
            if not len(chosen):
                points.append(None)
                continue
            start = self._starts[layer][items][:, chosen, None]
            step = self._steps[layer][items][:, chosen, None]
            at = nodes.to(start.device, start.dtype)[None, None, :, None]
            points.append((start + at * step).flatten(1, 2))
        values, gradients = values_and_gradients(self._model.backbone, captured, points, self._settings.target)
        for layer, chosen in enumerate(paths):
            value, gradient = values[layer], gradients[layer]
            if value is not None and gradient is not None:
                shape = (len(items), len(chosen), len(pairs))
                self._add(layer, items, chosen, pairs, value.view(shape), gradient.view(*shape, -1))

    def _add(
        self,
        layer: int,
        items: Tensor,
        paths: Tensor,
        pairs: list[tuple[float, float]],
        value: Tensor,
        gradient: Tensor,
    ) -> None:
        # paths that were wanted for another item of the batch only stay as they are: batching changes nothing
        where = (items[:, None], paths[None, :])
        kept = self._wanted[layer][where]
        gradient = gradient.to(self._gradient[layer].dtype)
        weights = gradient.new_tensor([weight for _, weight in pairs])
        weighted = torch.einsum("ipkm,k->ipm", gradient, weights) * kept[..., None].to(gradient)
        self._gradient[layer][where] += weighted
        step = self._steps[layer][where]
        self._sum[layer][where] += (weighted.double() * step.double()).sum(-1).cpu()
        for number, (node, _) in enumerate(pairs):
            if node == 0.0:
                known = self._start[layer][where]
                self._start[layer][where] = torch.where(kept, value[:, :, number].double().cpu(), known)


class Chased:
    """Which paths get more points: those whose error is too large, and in half precision still falls with them."""

    def __init__(self, model: Model) -> None:
        self._half = model.backbone.dtype not in _NOISE
        self._before: Tensor | None = None

    def still(self, error: Tensor, allowed: Tensor | float) -> Tensor:
        """Asked after every round of points with the errors then, of any shape."""
        wanted = error > allowed
        if self._half:
            wanted = wanted if self._before is None else wanted & (error < _FALLS * self._before)
            self._before = error
        return wanted


def noise_of(model: Model, value: Tensor, settings: AttributionSettings) -> Tensor:
    """What the model's precision cannot resolve of F [I].

    Logits are rounded, so a probability is uncertain by a share of itself; a logit or a log-probability by as much
    as one of the size 1 at least, however near to 0 it is. Float32 has room for both.
    """
    dtype = model.backbone.dtype
    if dtype in _NOISE:
        return value.abs() * _NOISE[dtype]
    size = value.abs() if settings.target == "probability" else value.abs().clamp(min=1.0)
    return size * (_HALF_NOISE * torch.finfo(dtype).eps)


def node_weights(rule: Rule) -> list[tuple[float, float]]:
    """(node, weight) of the rule, with a weightless node at the start if the rule has none."""
    pairs = [(float(node), float(weight)) for node, weight in zip(rule.nodes, rule.weights, strict=True)]
    return pairs if pairs[0][0] == 0.0 else [(0.0, 0.0), *pairs]


def _split(items: Tensor, paths: list[Tensor], rows: int) -> Iterator[tuple[Tensor, list[Tensor]]]:
    """Fewer items, then fewer layers' paths at a time, where one node of all of them is already too much."""
    for item in items:
        room, part = 0, [path[:0] for path in paths]
        for layer, chosen in enumerate(paths):
            for begin in range(0, len(chosen), max(1, rows)):
                piece = chosen[begin : begin + max(1, rows)]
                if room and (room + len(piece) > rows or len(part[layer])):
                    yield item[None], part
                    room, part = 0, [path[:0] for path in paths]
                part[layer] = piece
                room += len(piece)
        if room:
            yield item[None], part


def target_value(model: Model, captured: Capture, settings: AttributionSettings) -> Tensor:
    """F at the activation, [I] float64, from the unchanged pass."""
    if settings.target == "logit" or captured.against is not None:
        last = len(captured.activations) - 1
        points: list[Tensor | None] = [None] * last
        found = values_at(model.backbone, captured, [*points, captured.activations[last]], settings.target)[last]
        assert found is not None
        return found[:, 0].double().cpu()
    log_probability = captured.log_probabilities[:, 0].cpu()
    return log_probability if settings.target == "log_probability" else log_probability.exp()
