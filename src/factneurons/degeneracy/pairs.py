"""Degenerate pairs: two neurons of a fact that can each be spared, but not both.

In: a model and the knowledge neurons of facts. Out: per fact its pairs, or the reason why there are none
('Journey to the Center of the Knowledge Neurons', AAAI 2024):

    P - P with s suppressed  <= t_low      for either neuron s of the pair
    P - P with both suppressed >= t_high

The paper's definition is for groups of any size; its search, and this one, is for groups of two: *potentials* are
the neurons whose loss alone is at most t_low, and all pairs of potentials are tried.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, Protocol, get_args

import numpy as np
import numpy.typing as npt

from factneurons.attribution.selection import needed_prompts
from factneurons.attribution.settings import SelectionSettings
from factneurons.attribution.types import KnowledgeNeurons
from factneurons.degeneracy.functional import SETS_PER_CALL, Drops, NeuronSet
from factneurons.degeneracy.pairs_table import DegeneratePair, DegeneratePairs, PairTable, PromptPairs
from factneurons.degeneracy.settings import check_choice
from factneurons.errors import BadNumber, BadSetting
from factneurons.models.types import Neuron, Query

FloatArray = npt.NDArray[np.float64]
Differences = Literal["relative", "absolute"]
Search = Literal["all", "greedy_disjoint"]

_Places = tuple[int, int]


class TableModel(Protocol):
    """What of a model is used here."""

    def probabilities_with(self, queries: Sequence[Query], neuron_sets: Sequence[Sequence[Neuron]]) -> FloatArray:
        """[queries, sets], P(answer) with each set suppressed."""


@dataclass(frozen=True, slots=True)
class PairSettings:
    """How degenerate pairs are searched for.

    Attributes:
        search: "all": every pair that passes, so pairs may overlap (AAAI 2024). "greedy_disjoint": pairs in
            the order of their neurons' scores; a pair that passes takes both neurons out of the search, and so
            does one that loses less than t_low (the variant in the code of 'Cracking Factual Knowledge', ACL 2025).
        t_low: largest loss of one neuron; None: 0.2, or 0.05 with "greedy_disjoint".
        t_high: least loss of both; None: 0.25, or 0.3 with "greedy_disjoint".
        differences: losses are "relative" to P(answer), or "absolute" differences of it.
        share: of the prompts that must have found a pair, where a fact has several.
        most: how many neurons enter the search at most, those with the best scores.

    Raises:
        BadSetting: an unknown name or a value out of range.
    """

    search: Search = "all"
    t_low: float | None = None
    t_high: float | None = None
    differences: Differences = "relative"
    share: float = 0.7
    most: int = 64

    def __post_init__(self) -> None:
        check_choice("search", self.search, get_args(Search))
        check_choice("differences", self.differences, get_args(Differences))
        for name in ("t_low", "t_high"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise BadSetting(f"{name} = {value!r}: it is a number from 0 to 1")
        if not 0 < self.share <= 1:
            raise BadSetting(f"share = {self.share!r}: it is above 0 and at most 1")
        if self.most < 2:
            raise BadSetting(f"most = {self.most!r}: a pair needs at least 2 neurons")

    @property
    def thresholds(self) -> tuple[float, float]:
        """t_low and t_high, as given or as the search has them."""
        low, high = _THRESHOLDS[self.search]
        return (low if self.t_low is None else self.t_low), (high if self.t_high is None else self.t_high)


_THRESHOLDS: dict[str, tuple[float, float]] = {"all": (0.2, 0.25), "greedy_disjoint": (0.05, 0.3)}


def degenerate_pairs(
    model: TableModel,
    known: KnowledgeNeurons | Iterable[KnowledgeNeurons],
    settings: PairSettings | None = None,
) -> PairTable:
    """The degenerate pairs of one or many facts.

    A fact costs n + n (n - 1) / 2 suppressed sets per prompt for n potentials, hundreds of them in a pass.

    Args:
        model: the model in which the knowledge neurons were found.
        known: the knowledge neurons of one fact, or of many.
        settings: every option; None: the defaults.

    Raises:
        BadNumber: a probability that is NaN; names the fact and the prompt.
    """
    settings = settings or PairSettings()
    many = [known] if isinstance(known, KnowledgeNeurons) else known
    return PairTable(tuple(pairs_of(model, each, settings) for each in many))


def pairs_of(model: TableModel, known: KnowledgeNeurons, settings: PairSettings) -> DegeneratePairs:
    """The degenerate pairs of one fact: per prompt, and those that enough of its prompts agree on.

    Raises:
        BadNumber: a probability that is NaN; names the fact and the prompt.
    """
    neurons = known.neurons[: settings.most]
    if len(neurons) < 2:
        return _result(known, settings, (), (), "too-few-neurons")
    alone = _asked(model, known, [(), *((neuron,) for neuron in neurons)])
    untouched, alone = alone[:, 0], alone[:, 1:]
    losses = _losses(untouched[:, None], alone, settings.differences)
    low, high = settings.thresholds
    wanted = sorted({pair for row in losses for pair in combinations(np.flatnonzero(row <= low).tolist(), 2)})
    both = np.full((len(losses), len(neurons), len(neurons)), np.nan)
    if wanted:
        first, second = np.array(wanted).T
        table = _asked(model, known, [(neurons[i], neurons[j]) for i, j in wanted])
        both[:, first, second] = _losses(untouched[:, None], table, settings.differences)
    prompts = tuple(
        PromptPairs(
            query,
            float(probability),
            tuple(neurons[place] for place in np.flatnonzero(row <= low)),
            tuple((neurons[i], neurons[j]) for i, j in _SEARCHES[settings.search](row, together, low, high)),
        )
        for query, probability, row, together in zip(known.queries, untouched, losses, both, strict=True)
    )
    pairs = _agreed(neurons, prompts, losses, both, settings.share)
    return _result(known, settings, pairs, prompts, "" if pairs else _reason(prompts))


def disjoint_pairs(neurons: Sequence[Neuron], drops: Drops, settings: PairSettings) -> tuple[NeuronSet, ...]:
    """The pairs of a "greedy_disjoint" search in the mean over a fact's prompts, as disjoint clusters.

    Args:
        neurons: the neurons, best first; `settings.most` of them are looked at.
        drops: measured relative losses.
        settings: thresholds and `most` are read.
    """
    looked_at = list(neurons[: settings.most])
    low, high = settings.thresholds
    alone = drops([frozenset([neuron]) for neuron in looked_at])
    both = np.full((len(looked_at), len(looked_at)), np.nan)
    wanted = list(combinations(np.flatnonzero(alone <= low).tolist(), 2))
    if wanted:
        first, second = np.array(wanted).T
        both[first, second] = drops([frozenset((looked_at[i], looked_at[j])) for i, j in wanted])
    return tuple(frozenset((looked_at[i], looked_at[j])) for i, j in _greedy_disjoint(alone, both, low, high))


def _all_pairs(alone: FloatArray, both: FloatArray, low: float, high: float) -> list[_Places]:
    potentials = np.flatnonzero(alone <= low).tolist()
    return [(i, j) for i, j in combinations(potentials, 2) if both[i, j] >= high]


def _greedy_disjoint(alone: FloatArray, both: FloatArray, low: float, high: float) -> list[_Places]:
    out: set[int] = set()
    kept = []
    for i, j in combinations(np.flatnonzero(alone <= low).tolist(), 2):
        if i in out or j in out:
            continue
        if both[i, j] >= high:
            kept.append((i, j))
        if both[i, j] >= high or both[i, j] < low:
            out |= {i, j}
    return kept


_SEARCHES: dict[str, Callable[[FloatArray, FloatArray, float, float], list[_Places]]] = {
    "all": _all_pairs,
    "greedy_disjoint": _greedy_disjoint,
}
"""(losses alone [n], losses together [n, n], t_low, t_high) -> the pairs."""


def _losses(untouched: FloatArray, suppressed: FloatArray, differences: Differences) -> FloatArray:
    """How much is lost; NaN where P(answer) is 0 and losses are relative, so that nothing is found there."""
    lost: FloatArray = untouched - suppressed
    if differences == "absolute":
        return lost
    return lost / np.where(untouched > 0, untouched, np.nan)


def _asked(model: TableModel, known: KnowledgeNeurons, sets: Sequence[Sequence[Neuron]]) -> FloatArray:
    """[queries, sets], P(answer)."""
    starts = range(0, len(sets), SETS_PER_CALL)
    parts = [model.probabilities_with(known.queries, sets[start : start + SETS_PER_CALL]) for start in starts]
    table: FloatArray = np.concatenate(parts, axis=1)
    for query, row in zip(known.queries, table, strict=True):
        if not np.isfinite(row).all():
            raise BadNumber(
                f"fact {known.fact.id!r}, prompt {query.prompt.text!r}: P(answer) is NaN with neurons suppressed; "
                "load the model in float32"
            )
    return table


def _agreed(
    neurons: Sequence[Neuron],
    prompts: Sequence[PromptPairs],
    losses: FloatArray,
    both: FloatArray,
    share: float,
) -> tuple[DegeneratePair, ...]:
    """The pairs that enough prompts found, by falling share and loss; losses are means over those prompts."""
    place = {neuron: number for number, neuron in enumerate(neurons)}
    needed = needed_prompts(len(prompts), SelectionSettings(share=share))
    counted = Counter(pair for prompt in prompts for pair in prompt.pairs)
    pairs = []
    for pair, count in counted.items():
        if count < needed:
            continue
        rows = [number for number, prompt in enumerate(prompts) if pair in prompt.pairs]
        i, j = place[pair[0]], place[pair[1]]
        first, second, together = losses[rows, i].mean(), losses[rows, j].mean(), both[rows, i, j].mean()
        pairs.append(DegeneratePair(pair, (float(first), float(second)), float(together), count / len(prompts)))
    return tuple(sorted(pairs, key=lambda pair: (-pair.share, -pair.drop_together, pair.neurons)))


def _reason(prompts: Sequence[PromptPairs]) -> str:
    if not any(prompt.probability > 0 for prompt in prompts):
        return "zero-probability"
    if not any(len(prompt.potentials) > 1 for prompt in prompts):
        return "fewer-than-two-potentials"
    return "prompts-disagree" if any(prompt.pairs for prompt in prompts) else "no-pair-is-needed"


def _result(
    known: KnowledgeNeurons,
    settings: PairSettings,
    pairs: tuple[DegeneratePair, ...],
    prompts: tuple[PromptPairs, ...],
    reason: str,
) -> DegeneratePairs:
    considered = min(len(known.neurons), settings.most)
    probability = float(np.mean([prompt.probability for prompt in prompts])) if prompts else math.nan
    left_out = len(known.neurons) - considered
    return DegeneratePairs(known.fact, pairs, prompts, probability, considered, left_out, reason, settings)
