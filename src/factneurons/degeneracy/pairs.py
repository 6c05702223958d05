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
from itertools import combinations

import numpy as np

from factneurons.attribution.drops import Drops, NeuronSet, suppressed_table
from factneurons.attribution.selection import needed_prompts
from factneurons.attribution.settings import SelectionSettings
from factneurons.attribution.types import KnowledgeNeurons
from factneurons.degeneracy.settings import Differences, PairSettings
from factneurons.degeneracy.tables import DegeneratePairTable
from factneurons.degeneracy.types import DegeneratePair, DegeneratePairs, PromptPairs
from factneurons.models.model import Model
from factneurons.models.questions import Asking
from factneurons.models.types import FloatArray, Neuron
from factneurons.settings import with_options

_Places = tuple[int, int]


def degenerate_pairs(
    model: Model,
    known: KnowledgeNeurons | Iterable[KnowledgeNeurons],
    settings: PairSettings | None = None,
    **options: object,
) -> DegeneratePairTable:
    """The degenerate pairs of one or many facts.

    A fact costs n + n (n - 1) / 2 suppressed sets per prompt for n potentials, hundreds of them in a pass.

    Args:
        model: the model in which the knowledge neurons were found.
        known: the knowledge neurons of one fact, or of many.
        settings: all settings in one record, or
        **options: its fields by name, for instance `search="greedy_disjoint"`.

    Raises:
        BadSetting: an option that there is not, or an impossible value.
        BadNumber: a probability that is NaN; names the fact and the prompt.
    """
    settings = with_options(PairSettings, settings, options)
    many = [known] if isinstance(known, KnowledgeNeurons) else known
    return DegeneratePairTable.of(model.answer(pairs_search(each, settings) for each in many))


def pairs_of(model: Model, known: KnowledgeNeurons, settings: PairSettings) -> DegeneratePairs:
    """The degenerate pairs of one fact: per prompt, and those that enough of its prompts agree on.

    Raises:
        BadNumber: a probability that is NaN; names the fact and the prompt.
    """
    return model.answer([pairs_search(known, settings)])[0]


def pairs_search(known: KnowledgeNeurons, settings: PairSettings) -> Asking[DegeneratePairs]:
    """The same as a search, to be advanced beside others."""
    neurons = known.neurons[: settings.most]
    if len(neurons) < 2:
        return _result(known, settings, (), (), "too-few-neurons")
    asked = [(known.fact, query) for query in known.queries]
    alone = yield from suppressed_table(asked, [(), *((neuron,) for neuron in neurons)])
    untouched, alone = alone[:, 0], alone[:, 1:]
    losses = _losses(untouched[:, None], alone, settings.differences)
    low, high = settings.thresholds
    wanted = sorted({pair for row in losses for pair in combinations(np.flatnonzero(row <= low).tolist(), 2)})
    both = np.full((len(losses), len(neurons), len(neurons)), np.nan)
    if wanted:
        first, second = np.array(wanted).T
        table = yield from suppressed_table(asked, [(neurons[i], neurons[j]) for i, j in wanted])
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


def disjoint_pairs(neurons: Sequence[Neuron], drops: Drops, settings: PairSettings) -> Asking[tuple[NeuronSet, ...]]:
    """The pairs of a "greedy_disjoint" search in the mean over a fact's prompts, as disjoint clusters.

    Args:
        neurons: the neurons, best first; `settings.most` of them are looked at.
        drops: measured relative losses.
        settings: thresholds and `most` are read.
    """
    looked_at = list(neurons[: settings.most])
    low, high = settings.thresholds
    alone = yield from drops.asked([frozenset([neuron]) for neuron in looked_at])
    both = np.full((len(looked_at), len(looked_at)), np.nan)
    wanted = list(combinations(np.flatnonzero(alone <= low).tolist(), 2))
    if wanted:
        first, second = np.array(wanted).T
        both[first, second] = yield from drops.asked([frozenset((looked_at[i], looked_at[j])) for i, j in wanted])
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
    return DegeneratePairs(known.fact, pairs, prompts, probability, considered, left_out, reason)
