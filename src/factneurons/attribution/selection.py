"""From scores to neurons: a coarse set per prompt, then what the prompts of one fact agree on.

Source: Dai et al. (2022): threshold t = 0.2 of the maximum, kept where at least 70 % of the prompts agree;
Journey to the Center of the Knowledge Neurons (AAAI 2024): thresholds per language.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from factneurons.attribution.types import Attribution, FloatArray
from factneurons.errors import BadSetting
from factneurons.models.types import Neuron

_AGREEMENTS = ("refine", "union")


def _fraction(scores: FloatArray, value: float) -> float:
    return float(value * scores.max())


def _absolute(scores: FloatArray, value: float) -> float:
    return value


def _top(scores: FloatArray, value: float) -> float:
    count = min(int(value), scores.size)
    return float(np.partition(scores.ravel(), -count)[-count])


def _percentile(scores: FloatArray, value: float) -> float:
    return float(np.percentile(scores, value))


SELECTORS: dict[str, Callable[[FloatArray, float], float]] = {
    "fraction": _fraction,
    "absolute": _absolute,
    "top": _top,
    "percentile": _percentile,
}
"""From all scores and the setting's value to the score that must be reached."""


@dataclass(frozen=True, slots=True)
class SelectionSettings:
    """How neurons are chosen.

    Attributes:
        selector: "fraction" of the largest score over all layers, an "absolute" score, the "top" so many
            neurons, or a "percentile".
        threshold: the selector's value; None for the method's own fraction for the fact's language.
        agreement: "refine" keeps what enough prompts share, "union" keeps everything.
        share: the share of the prompts that must agree.
        min_prompts: the least number of prompts that must agree; None: 2 where there are 3 or more, else 1.
        rounds: how often to look at most, each time with what was found before suppressed (`rounds`).

    Raises:
        BadSetting: an unknown name (the valid ones are listed) or an impossible value.
    """

    selector: str = "fraction"
    threshold: float | None = None
    agreement: str = "refine"
    share: float = 0.7
    min_prompts: int | None = None
    rounds: int = 1

    def __post_init__(self) -> None:
        for name, valid in (("selector", tuple(SELECTORS)), ("agreement", _AGREEMENTS)):
            if getattr(self, name) not in valid:
                raise BadSetting(f"unknown {name} {getattr(self, name)!r}; valid: {', '.join(valid)}")
        if self.selector != "fraction" and self.threshold is None:
            raise BadSetting(f"the selector {self.selector!r} needs a threshold")
        if not 0 < self.share <= 1:
            raise BadSetting(f"share must be above 0 and at most 1, not {self.share}")
        if self.min_prompts is not None and self.min_prompts < 1:
            raise BadSetting(f"min_prompts must be at least 1, not {self.min_prompts}")
        if self.rounds < 1:
            raise BadSetting(f"rounds must be at least 1, not {self.rounds}")
        self._check_threshold()

    def _check_threshold(self) -> None:
        bounds = {"fraction": (0, 1), "top": (1, math.inf), "percentile": (0, 100), "absolute": (-math.inf, math.inf)}
        low, high = bounds[self.selector]
        if self.threshold is not None and not low <= self.threshold <= high:
            raise BadSetting(
                f"threshold must be from {low} to {high} for the selector {self.selector!r}, not {self.threshold}"
            )


@dataclass(frozen=True, slots=True)
class Chosen:
    """The neurons of one fact, best first, with scores and shares as in `KnowledgeNeurons`."""

    neurons: tuple[Neuron, ...]
    scores: tuple[float, ...]
    shares: tuple[float, ...]


def coarse_set(scores: FloatArray, selector: str, value: float) -> dict[Neuron, float]:
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
    kept: dict[Neuron, list[float]] = defaultdict(list)
    for attribution in attributions:
        for neuron, score in coarse_set(attribution.scores, settings.selector, threshold).items():
            kept[neuron].append(score)
    needed = 1 if settings.agreement == "union" else needed_prompts(len(attributions), settings)
    unwanted = Counter(
        neuron for found in negatives for neuron in coarse_set(found.scores, settings.selector, threshold)
    )
    agreed = {neuron: scores for neuron, scores in kept.items() if len(scores) >= needed and neuron not in unwanted}
    ordered = sorted(agreed, key=lambda neuron: (-float(np.mean(agreed[neuron])), neuron))
    return Chosen(
        neurons=tuple(ordered),
        scores=tuple(float(np.mean(agreed[neuron])) for neuron in ordered),
        shares=tuple(len(agreed[neuron]) / len(attributions) for neuron in ordered),
    )


def needed_prompts(prompts: int, settings: SelectionSettings) -> int:
    """How many of a fact's prompts must hold a neuron for it to be kept."""
    least = settings.min_prompts if settings.min_prompts is not None else (2 if prompts >= 3 else 1)
    return max(math.ceil(settings.share * prompts - 1e-9), min(least, prompts))
