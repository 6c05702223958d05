"""Joint attribution: one path on which the neurons of all layers move together, gated from nothing to what they are.

Every neuron of every layer at the target position goes through a gate, and all gates are s:

    score(l, j) = integral_0^1 dF/dg_lj at g = (s, ..., s) ds,          g: one gate per neuron
    a_lj -> g_lj a_lj + (1 - g_lj) b_lj,                                b: the baseline, zero for `joint`

where the layers above compute their values anew from what the gated layers below write. By completeness the scores of
all layers together sum to F(all gates 1) - F(all gates 0). They are the Aumann-Shapley values of the game "suppress
these neurons" (Aumann and Shapley, 1974; Neuron Shapley, Ghorbani and Zou, 2020, samples its atomic cousin): the
average over all states of suppression, where a backup in another layer shows, which a path through one layer misses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from factneurons.attribution.baselines import Baselines
from factneurons.attribution.engine import Chased, node_weights, noise_of, target_value
from factneurons.attribution.quadrature import ADAPTIVE, ADAPTIVE_LEVELS, Rule, quadrature
from factneurons.attribution.settings import AttributionSettings
from factneurons.models.head import wide_dtype
from factneurons.models.model import Model
from factneurons.models.passes.capture import Capture
from factneurons.models.passes.fast_path import gated_values_and_gradients
from factneurons.models.passes.memory import row_budget, with_backoff

_RELATIVE = 0.01
_ROW_COST = 3
"""A row runs through all layers, and so do its gates: about as much as three rows that start halfway up."""


@dataclass(slots=True)
class JointIntegral:
    """Joint scores of I items and P paths.

    Attributes:
        scores: per layer [I, P, width].
        start: [I, P], F with all gates 0.
        end: [I], F with all gates 1.
        error: [I, P], |sum of all scores - (F(1) - F(0))|.
        points: [I, P], path points spent.
    """

    scores: list[Tensor]
    start: Tensor
    end: Tensor
    error: Tensor
    points: Tensor


def integrate_jointly(
    model: Model, captured: Capture, baselines: Baselines, settings: AttributionSettings
) -> JointIntegral:
    """Integrate dF/dg over gates that open together, for every baseline.

    Args:
        model: the model.
        captured: items at one target position each.
        baselines: what neurons are where their gates are 0.
        settings: the rule, the target function and the tolerance.
    """
    adaptive = settings.rule == ADAPTIVE
    work = _Joint(model, captured, baselines, settings)
    work.run(baselines.real, quadrature("radau", ADAPTIVE_LEVELS[0]) if adaptive else _rule(settings))
    for count in ADAPTIVE_LEVELS[1:] if adaptive else ():
        unfinished = work.unfinished()
        if not bool(unfinished.any()):
            break
        work.run(unfinished, quadrature("radau", count))
    return JointIntegral(work.scores, work.start, work.end, work.error(), work.points)


def _rule(settings: AttributionSettings) -> Rule:
    return quadrature(settings.rule, settings.points)


class _Joint:
    """The state of one call: what is known of every item and path so far."""

    def __init__(self, model: Model, captured: Capture, baselines: Baselines, settings: AttributionSettings) -> None:
        self._model, self._captured, self._settings = model, captured, settings
        self._real, self._baselines = baselines.real, baselines.starts
        self._from_zero = not any(bool(start.any()) for start in baselines.starts)
        self.scores = [torch.zeros_like(start, dtype=wide_dtype(start.dtype)) for start in baselines.starts]
        self.start = torch.zeros(baselines.real.shape, dtype=torch.float64)
        self.points = torch.zeros(baselines.real.shape, dtype=torch.long)
        self.end = target_value(model, captured, settings)
        self._chased = Chased(model)

    def error(self) -> Tensor:
        total = torch.stack([layer.double().sum(-1).cpu() for layer in self.scores]).sum(0)
        return (total - (self.end[:, None] - self.start)).abs() * self._real

    def unfinished(self) -> Tensor:
        """Paths whose error exceeds the tolerance, or a hundredth of the item's largest change of F."""
        largest = ((self.end[:, None] - self.start).abs() * self._real).amax(1, keepdim=True)
        allowed = torch.clamp(_RELATIVE * largest, max=self._settings.tolerance)
        allowed = torch.maximum(allowed, noise_of(self._model, self.end, self._settings)[:, None])
        return self._chased.still(self.error(), allowed)

    def run(self, wanted: Tensor, rule: Rule) -> None:
        """Integrate the wanted paths [I, P], as many rows at a time as fit."""
        pairs = [(item, path) for item, path in torch.nonzero(wanted).tolist()]
        nodes = node_weights(rule)
        budget = max(1, row_budget(self._model.backbone, self._captured) // _ROW_COST)

        def start_again(rows: int) -> None:
            for layer in self.scores:
                layer[wanted.to(layer.device)] = 0.0
            self.points[wanted] = len(rule.nodes)
            for part in _parts(pairs, max(1, rows // len(nodes))):
                for begin in range(0, len(nodes), rows):
                    self._chunk(part, nodes[begin : begin + rows])

        with_backoff(start_again, budget, what=f"attribution with {self._model.name}")

    def _chunk(self, pairs: Sequence[tuple[int, int]], nodes: Sequence[tuple[float, float]]) -> None:
        """Rows of some items at a few (node, weight) pairs: as many paths of each, one after the other."""
        items = torch.tensor([item for item, _ in pairs])
        paths = torch.tensor([path for _, path in pairs])
        captured = self._captured.subset(items)
        first = captured.activations[0]
        at = torch.tensor([node for node, _ in nodes], dtype=first.dtype, device=first.device)
        weights = torch.tensor([weight for _, weight in nodes], dtype=wide_dtype(first.dtype), device=first.device)
        gates, rest = [], []
        for layer, start in enumerate(self._baselines):
            shape = (len(pairs), len(nodes), captured.activations[layer].shape[-1])
            gates.append(at.to(start.device)[None, :, None].expand(shape))
            rest.append(start[items.to(start.device), paths.to(start.device)][:, None].expand(shape))
        values, gradients = gated_values_and_gradients(
            self._model.backbone, captured, gates, None if self._from_zero else rest, self._settings.target
        )
        for layer, gradient in enumerate(gradients):
            where = items.to(gradient.device), paths.to(gradient.device)
            wide = gradient.to(weights.dtype)
            self.scores[layer][where] += torch.einsum("ikm,k->im", wide, weights.to(wide.device))
        if nodes[0][0] == 0.0:
            self.start[items, paths] = values[:, 0].double().cpu()


def _parts(pairs: Sequence[tuple[int, int]], count: int) -> list[Sequence[tuple[int, int]]]:
    return [pairs[begin : begin + count] for begin in range(0, len(pairs), count)]
