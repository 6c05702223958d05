"""Scores of a few neurons for many queries: only the layers that hold them are integrated.

What a layer's neurons score does not depend on other layers' paths, so leaving layers out changes no score; with the
adaptive rule it may change how many points are spent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from factneurons.attribution.baselines import Baselines
from factneurons.attribution.engine import Integral, integrate
from factneurons.attribution.methods import METHODS, PathMethod, method_named
from factneurons.attribution.settings import AttributionSettings
from factneurons.errors import BadNumber
from factneurons.models.batches import groups
from factneurons.models.model import Model
from factneurons.models.neurons import existing
from factneurons.models.passes.capture import Capture, Item, capture
from factneurons.models.passes.memory import in_parts
from factneurons.models.types import FloatArray, Neuron, Query
from factneurons.settings import refuse

_QUERIES = 16


@dataclass(frozen=True, slots=True)
class ChosenScores:
    """Scores of n neurons for some queries.

    Attributes:
        scores: [queries, n], as `Attribution.scores` holds them.
        completeness_ratio: [queries], the largest over the layers of |sum of a layer's scores - (F(a) - F(b))|,
            divided by the query's largest |F(a) - F(b)|; 0 where F does not change.
    """

    scores: FloatArray
    completeness_ratio: FloatArray


@torch.inference_mode(False)
def attribute_neurons(
    model: Model, queries: Sequence[Query], neurons: Sequence[Neuron], settings: AttributionSettings | None = None
) -> ChosenScores:
    """Score some neurons for many queries.

    Args:
        model: a loaded model.
        queries: what is asked.
        neurons: n neurons.
        settings: how; the method must integrate along paths, and scores are not normalised.

    Raises:
        BadSetting: a method without paths, a normalisation, or a neuron the model does not have.
        BadNumber: scores that are NaN or infinite; names the prompt.
    """
    settings = settings or AttributionSettings("amig")
    method = path_method(settings)
    places = existing(model.backbone, neurons)
    scores, ratios = np.zeros((len(queries), len(places))), np.zeros(len(queries))

    def score(indices: Sequence[int]) -> None:
        chosen = [queries[index] for index in indices]
        scores[indices], ratios[indices] = _of_batch(model, method, chosen, places, settings)

    if places:
        for indices in groups(queries, causal=model.kind == "causal", tokens=1024):
            for begin in range(0, len(indices), _QUERIES):
                in_parts(indices[begin : begin + _QUERIES], score, what=f"attribution with {model.name}")
    for query, row in zip(queries, scores, strict=True):
        if not np.isfinite(row).all():
            raise BadNumber(
                f"{model.name}, prompt {query.prompt.text!r}, answer {query.answer!r}: scores are NaN or infinite"
            )
    return ChosenScores(scores, ratios)


def path_method(settings: AttributionSettings) -> PathMethod:
    """The method of the settings, if it can score some neurons without the others.

    Raises:
        BadSetting: it cannot, or the scores are to be normalised over all neurons.
    """
    method = method_named(settings.method).score
    if not isinstance(method, PathMethod):
        valid = ", ".join(name for name, each in METHODS.items() if isinstance(each.score, PathMethod))
        refuse("method", settings.method, f"one that can score a few neurons alone: {valid}")
    if settings.positions != "target":
        refuse("positions", settings.positions, "'target' for a few neurons alone")
    if settings.prefix != "gold":
        refuse("prefix", settings.prefix, "'gold' for a few neurons alone")
    if settings.against is not None:
        refuse("against", settings.against, "None for a few neurons alone")
    if settings.normalise != "none":
        refuse("normalise", settings.normalise, "'none' for a few neurons alone")
    return method


def _of_batch(
    model: Model, method: PathMethod, queries: Sequence[Query], neurons: Sequence[Neuron], settings: AttributionSettings
) -> tuple[FloatArray, FloatArray]:
    counts = [1 if settings.answer_tokens == "first" else len(query.answer_ids) for query in queries]
    items: list[Item] = [(row, (token,)) for row, count in enumerate(counts) for token in range(count)]
    captured = capture(model.backbone, queries, items, pre=settings.before_activation(model.kind))
    baselines = method.make(model, captured, items, settings)
    integral = integrate(model, captured, baselines, settings, {neuron.layer for neuron in neurons})
    per_item = _scores_at(method, captured, baselines, integral, neurons)
    change = ((integral.end[None, :, None] - integral.start).abs() * (integral.points > 0)).amax((0, 2))
    ratio = (integral.error.amax((0, 2)) / change.clamp(min=torch.finfo(torch.float64).tiny)).numpy()
    starts = np.cumsum([0, *counts[:-1]])
    scores = np.add.reduceat(per_item, starts)
    if settings.answer_tokens != "sum":
        scores = scores / np.array(counts)[:, None]
    return scores, np.maximum.reduceat(ratio, starts)


def _scores_at(
    method: PathMethod, captured: Capture, baselines: Baselines, integral: Integral, neurons: Sequence[Neuron]
) -> FloatArray:
    """[items, neurons]."""
    result = np.zeros((captured.size, len(neurons)))
    for layer in {neuron.layer for neuron in neurons}:
        columns = [place for place, neuron in enumerate(neurons) if neuron.layer == layer]
        indices = [neurons[place].index for place in columns]
        step = captured.vectors[layer][..., indices] - baselines.starts[layer][..., indices]
        found = method.combine(step * integral.gradient[layer][..., indices], baselines.real)
        result[:, columns] = found.double().cpu().numpy()
    return result
