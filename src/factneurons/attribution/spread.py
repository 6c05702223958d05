"""Attribution at the subject, or at all positions: gates that the positions share, whole prompts instead of rows.

    score(l, j) = integral_0^1 dF/dg_lj ds,    one gate per neuron, the same at all of its positions p
                = sum_p (a_plj - b_plj) * integral_0^1 dF/da_plj ds for a path inside one layer

so a neuron's score is the sum over positions, and completeness holds as at the target alone: the scores of a layer (of
all layers, where they move together) sum to F less F at the baseline, in which all these positions are replaced.
Nothing is shared between rows, so this costs a whole prompt where the target costs one position.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from factneurons.attribution.baselines import units_of
from factneurons.attribution.engine import Chased, Integral, node_weights, noise_of, target_value
from factneurons.attribution.quadrature import ADAPTIVE, ADAPTIVE_LEVELS, Rule, quadrature
from factneurons.attribution.settings import AttributionSettings
from factneurons.models.head import wide_dtype
from factneurons.models.model import Model
from factneurons.models.passes.capture import Capture, Item
from factneurons.models.passes.corrupted import corrupted, replacement_token
from factneurons.models.passes.spread import Rest, spread_gradients, spread_places, spread_values, whole_values
from factneurons.models.types import Query

_RELATIVE = 0.01


def integrate_over_positions(
    model: Model, captured: Capture, items: Sequence[Item], settings: AttributionSettings, *, start: str, joint: bool
) -> tuple[Integral, Tensor]:
    """Integrate dF/dg at the positions of every query.

    Args:
        model: the model.
        captured: items at one target position each.
        items: the same.
        settings: the rule, the target function and the tolerance.
        start: "zero", "sentences" (a path per unit of the prompt) or "mean" (of these).
        joint: whether all layers move together, or each alone.

    Returns:
        per path the scores (in place of gradients), F at the start and end, errors and points; which paths are real.
    """
    ends = target_value(model, captured, settings)
    found = [
        _Paths(model, captured.subset(torch.tensor([number])), item, settings, ends[number], start, joint)
        for number, item in enumerate(items)
    ]
    longest = max(len(each.rests) for each in found)
    layers = model.layer_count
    result = Integral(
        gradient=[score.new_zeros(len(found), longest, score.shape[-1]) for score in found[0].scores],
        start=torch.zeros(layers, len(found), longest, dtype=torch.float64),
        end=ends,
        error=torch.zeros(layers, len(found), longest, dtype=torch.float64),
        points=torch.zeros(layers, len(found), longest, dtype=torch.long),
    )
    real = torch.zeros(len(found), longest, dtype=torch.bool)
    for number, each in enumerate(found):
        each.run()
        count = len(each.rests)
        real[number, :count] = True
        for layer in range(layers):
            result.gradient[layer][number, :count] = each.scores[layer]
        result.start[:, number, :count] = each.start.expand(layers, -1)
        result.error[:, number, :count] = each.error().expand(layers, -1)
        result.points[:, number, :count] = each.points.expand(layers, -1)
    return result, real


class _Paths:
    """The paths of one item: one per baseline, and for each either one of all layers or one per layer."""

    def __init__(
        self,
        model: Model,
        captured: Capture,
        item: Item,
        settings: AttributionSettings,
        end: Tensor,
        start: str,
        joint: bool,
    ) -> None:
        self._model, self._captured, self._settings, self._end = model, captured, settings, end
        query = captured.batch.queries[item[0]]
        self._where = spread_places(model.backbone, query, item[1][0])
        self.rests = _starts(model, query, self._where, start, settings)
        everything = range(model.layer_count)
        self._groups = [tuple(everything)] if joint else [(layer,) for layer in everything]
        shape = len(self._groups), len(self.rests)
        self.start = torch.zeros(shape, dtype=torch.float64)
        self.points = torch.zeros(shape, dtype=torch.long)
        paths = len(self.rests)
        self.scores = [
            value.new_zeros(paths, value.shape[-1], dtype=wide_dtype(value.dtype)) for value in captured.activations
        ]

    def error(self) -> Tensor:
        sums = torch.stack([layer.double().sum(-1).cpu() for layer in self.scores])
        totals = torch.stack([sums[list(group)].sum(0) for group in self._groups])
        return (totals - (self._end - self.start)).abs()

    def run(self) -> None:
        """With the fixed rule, or with more points where the error is too large."""
        adaptive, chased = self._settings.rule == ADAPTIVE, Chased(self._model)
        first = quadrature("radau", ADAPTIVE_LEVELS[0]) if adaptive else self._fixed()
        self._integrate(torch.ones_like(self.start, dtype=torch.bool), first)
        for count in ADAPTIVE_LEVELS[1:] if adaptive else ():
            allowed = min(_RELATIVE * float((self._end - self.start).abs().max()), self._settings.tolerance)
            noise = float(noise_of(self._model, self._end, self._settings))
            wanted = chased.still(self.error(), max(allowed, noise))
            if not bool(wanted.any()):
                break
            self._integrate(wanted, quadrature("radau", count))

    def _fixed(self) -> Rule:
        return quadrature(self._settings.rule, self._settings.points)

    def _integrate(self, wanted: Tensor, rule: Rule) -> None:
        pairs = node_weights(rule)
        for group, path in torch.nonzero(wanted).tolist():
            chosen, gates = self._groups[group], []
            for layer, value in enumerate(self._captured.activations):
                nodes = value.new_tensor([node for node, _ in pairs])
                gates.append(nodes[:, None].expand(-1, value.shape[-1]) if layer in chosen else None)
            values, slopes = spread_gradients(
                self._model.backbone, self._captured, gates, self.rests[path], self._where, self._settings.target
            )
            for layer, slope in enumerate(slopes):
                if slope is not None:
                    slope = slope.to(self.scores[layer].dtype)
                    weights = slope.new_tensor([weight for _, weight in pairs])
                    self.scores[layer][path] = torch.einsum("km,k->m", slope, weights)
            self.start[group, path] = float(values[0])
            self.points[group, path] = len(rule.nodes)


def _starts(
    model: Model, query: Query, where: Sequence[Sequence[int]], start: str, settings: AttributionSettings
) -> list[Rest]:
    """What neurons are at the start of each path."""
    if start == "zero":
        return [[None] * model.layer_count]
    token, _ = replacement_token(model.backbone)
    units = units_of(query, settings.units, model.kind)
    sentences = [whole_values(model.backbone, corrupted(query, unit, token)) for unit in units]
    found = [[values[list(place)] for values, place in zip(each, where, strict=True)] for each in sentences]
    if start == "mean":
        return [[torch.stack(values).mean(0) for values in zip(*found, strict=True)]]
    return list(found)


def suppressed_over_positions(
    model: Model, captured: Capture, items: Sequence[Item], settings: AttributionSettings
) -> list[Tensor]:
    """F less F with each neuron alone at 0 at all of the positions, [I, width] per layer."""
    before = target_value(model, captured, settings)
    scores = [torch.zeros_like(value[:, 0]) for value in captured.activations]
    for number, (row, tokens) in enumerate(items):
        alone = captured.subset(torch.tensor([number]))
        where = spread_places(model.backbone, captured.batch.queries[row], tokens[0])
        for layer, score in enumerate(scores):
            gates: list[Tensor | None] = [None] * model.layer_count
            gates[layer] = 1 - torch.eye(score.shape[-1], dtype=score.dtype, device=score.device)
            rest: Rest = [None] * model.layer_count
            after = spread_values(model.backbone, alone, gates, rest, where, settings.target)
            score[number] = (before[number].to(after) - after).to(score)
    return scores
