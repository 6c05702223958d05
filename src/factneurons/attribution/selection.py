"""From scores to neurons: a coarse set per prompt, then what the prompts of one fact agree on.

Source: Dai et al. (2022): threshold t = 0.2 of the maximum, kept where at least 70 % of the prompts agree;
Journey to the Center of the Knowledge Neurons (AAAI 2024): thresholds per language;
Query Localization (2024): the consistency-aware score, CAS(n) = mean_q s_q(n) - beta * std_q s_q(n) over prompts q.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from factneurons.attribution.settings import SelectionSettings
from factneurons.attribution.types import AnyFloats, Attribution
from factneurons.models.types import Neuron


def _fraction(scores: AnyFloats, value: float) -> float:
    return float(value * scores.max())


def _absolute(scores: AnyFloats, value: float) -> float:
    return value


def _top(scores: AnyFloats, value: float) -> float:
    count = min(int(value), scores.size)
    return float(np.partition(scores.ravel(), -count)[-count])


def _percentile(scores: AnyFloats, value: float) -> float:
    return float(np.percentile(scores, value))


SELECTORS: dict[str, Callable[[AnyFloats, float], float]] = {
    "fraction": _fraction,
    "absolute": _absolute,
    "top": _top,
    "percentile": _percentile,
}
"""From all scores and the setting's value to the score that must be reached."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The neurons of one fact, best first, with scores and shares as in `KnowledgeNeurons`."""

    neurons: tuple[Neuron, ...]
    scores: tuple[float, ...]
    shares: tuple[float, ...]


def coarse_set(scores: AnyFloats, selector: str, value: float) -> dict[Neuron, float]:
    """The neurons of one prompt whose score is positive and reaches the selector's bound.

    Args:
        scores: [layers, width].
        selector: a name of `SELECTORS`.
        value: its value.
    """
    bound = SELECTORS[selector](scores, value)
    layers, indices = np.nonzero((scores >= bound) & (scores > 0))
    return {Neuron(int(la), int(i)): float(scores[la, i]) for la, i in zip(layers, indices, strict=True)}


def choose(
    attributions: Sequence[Attribution],
    settings: SelectionSettings,
    threshold: float,
    negatives: Sequence[Attribution] = (),
) -> Chosen:
    """Choose a fact's neurons from the attributions of its prompts.

    Args:
        attributions: one per prompt of the fact.
        settings: how.
        threshold: the selector's value.
        negatives: attributions of prompts that share words with the fact but ask something else; every
            neuron of their coarse sets is left out.
    """
    coarse = [coarse_set(each.scores, settings.selector, threshold) for each in attributions]
    unwanted = {neuron for each in negatives for neuron in coarse_set(each.scores, settings.selector, threshold)}
    found = AGREEMENTS[settings.agreement](attributions, coarse, settings, threshold)
    agreed = {neuron: score for neuron, score in found.items() if neuron not in unwanted}
    ordered = sorted(agreed, key=lambda neuron: (-agreed[neuron], neuron))
    return Chosen(
        neurons=tuple(ordered),
        scores=tuple(agreed[neuron] for neuron in ordered),
        shares=tuple(sum(neuron in each for each in coarse) / len(coarse) for neuron in ordered),
    )


CoarseSets = Sequence[dict[Neuron, float]]
Agreement = Callable[[Sequence[Attribution], CoarseSets, SelectionSettings, float], dict[Neuron, float]]


def _held_by(coarse: CoarseSets, needed: int) -> dict[Neuron, float]:
    """The neurons of at least so many coarse sets, with the mean of their scores in these."""
    kept: dict[Neuron, list[float]] = defaultdict(list)
    for each in coarse:
        for neuron, score in each.items():
            kept[neuron].append(score)
    return {neuron: float(np.mean(scores)) for neuron, scores in kept.items() if len(scores) >= needed}


def _refined(
    attributions: Sequence[Attribution], coarse: CoarseSets, settings: SelectionSettings, threshold: float
) -> dict[Neuron, float]:
    return _held_by(coarse, needed_prompts(len(coarse), settings))


def _united(
    attributions: Sequence[Attribution], coarse: CoarseSets, settings: SelectionSettings, threshold: float
) -> dict[Neuron, float]:
    return _held_by(coarse, 1)


def _consistent(
    attributions: Sequence[Attribution], coarse: CoarseSets, settings: SelectionSettings, threshold: float
) -> dict[Neuron, float]:
    """What the selector takes of the consistency-aware scores."""
    scores = np.stack([attribution.scores.astype(np.float64) for attribution in attributions])
    return coarse_set(scores.mean(0) - settings.beta * scores.std(0), settings.selector, threshold)


AGREEMENTS: dict[str, Agreement] = {"refine": _refined, "union": _united, "consistency": _consistent}
"""How the prompts of a fact come to one set: from their attributions and coarse sets to neurons with their scores."""


def needed_prompts(prompts: int, settings: SelectionSettings) -> int:
    """How many of a fact's prompts must hold a neuron for it to be kept."""
    least = settings.min_prompts if settings.min_prompts is not None else (2 if prompts >= 3 else 1)
    return max(math.ceil(settings.share * prompts - 1e-9), min(least, prompts))
