"""Do the paraphrases of a fact agree on its neurons?

For the sets S_1..S_N that N prompts of one fact give:

    CS_strict     = |in all sets| / |in any|
    CS            = |in two sets or more| / |in any|
    Jaccard       = |A and B| / |A or B|, mean over pairs
    Sorensen      = N / (N - 1) * (1 - |in any| / sum of |S_q|), for many sets at once
    Morisita-Horn = sum_n ((sum_q p_nq)^2 - sum_q p_nq^2) / ((N - 1) * sum_n sum_q p_nq^2), p_nq = 1 / |S_q| in S_q

All are 1 for equal sets and 0 for sets that share nothing. A fact is consistent if CS reaches a threshold: a fixed
one, or the one that splits the facts' scores best (Otsu, 1979).
Source: Query Localization (2024) for CS_strict, CS and consistent facts, in our reading; Chao et al. (2008) for the
two measures over many sets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

import numpy as np

from factneurons.attribution.attribute import attribute_all
from factneurons.attribution.methods import threshold_for
from factneurons.attribution.selection import coarse_set
from factneurons.attribution.settings import AttributionSettings, SelectionSettings
from factneurons.errors import BadSetting
from factneurons.facts.types import Fact
from factneurons.models.model import Model
from factneurons.models.prompts import ask, each_alone
from factneurons.models.types import Neuron
from factneurons.multilingual.join import mean_jaccard
from factneurons.multilingual.tables import ConsistencyTable
from factneurons.multilingual.types import STATIC, Consistency, FactConsistency
from factneurons.settings import with_options

OTSU = "otsu"


def consistency_of(sets: Sequence[Collection[Neuron]]) -> Consistency:
    """How well two or more sets of neurons agree.

    Raises:
        BadSetting: fewer than two sets.
    """
    found = [frozenset(each) for each in sets]
    if len(found) < 2:
        raise BadSetting(f"consistency is between two or more sets, not {len(found)}")
    held = Counter(neuron for each in found for neuron in each)
    if not held:
        nothing = float("nan")
        return Consistency(nothing, nothing, nothing, nothing, nothing, len(found))
    count, total = len(found), sum(len(each) for each in found)
    return Consistency(
        strict=sum(times == count for times in held.values()) / len(held),
        relaxed=sum(times >= 2 for times in held.values()) / len(held),
        jaccard=mean_jaccard(found),
        sorensen=count / (count - 1) * (1 - len(held) / total),
        morisita_horn=_morisita_horn(found),
        sets=count,
    )


def _morisita_horn(sets: Sequence[frozenset[Neuron]]) -> float:
    sums: Counter[Neuron] = Counter()
    squares = 0.0
    for each in sets:
        for neuron in each:
            sums[neuron] += 1 / len(each)  # type: ignore[assignment]
            squares += 1 / len(each) ** 2
    together = sum(value**2 for value in sums.values()) - squares
    return max(0.0, together) / ((len(sets) - 1) * squares)


def consistency(
    model: Model,
    facts: Iterable[Fact],
    settings: AttributionSettings | None = None,
    selection: SelectionSettings | None = None,
    *,
    threshold: float | str = STATIC,
    multi_mask: bool = False,
    **options: object,
) -> ConsistencyTable:
    """Locate every prompt of every fact alone, and measure how well the prompts of a fact agree.

    Args:
        model: a loaded model.
        facts: facts, each with several prompts.
        settings: how to attribute, or
        selection: the selector and its threshold; what prompts must agree on does not matter here.
        threshold: the CS that a consistent fact reaches, or "otsu".
        multi_mask: cloze models: ask for answers of several tokens with as many masks.
        **options: fields of `settings` by name.

    Returns:
        One record per fact, in their order, as a table.

    Raises:
        BadSetting: an unknown method or option, or an impossible threshold.
        BadNumber: scores that are NaN or infinite.
    """
    if threshold != OTSU and not (isinstance(threshold, int | float) and 0 <= threshold <= 1):
        raise BadSetting(f"threshold is a CS from 0 to 1, or {OTSU!r}, not {threshold!r}")
    how, chosen = with_options(AttributionSettings, settings, options), selection or SelectionSettings()
    found = [_of_fact(model, fact, how, chosen, multi_mask) for fact in facts]
    scores = [each.scores.relaxed for each in found if each.scores is not None]
    bound = float(threshold) if threshold != OTSU else otsu(scores)
    judged = (
        replace(each, threshold=bound, consistent=None if each.scores is None else each.scores.relaxed >= bound)
        for each in found
    )
    return ConsistencyTable.of(judged)


def _of_fact(
    model: Model, fact: Fact, settings: AttributionSettings, selection: SelectionSettings, multi_mask: bool
) -> FactConsistency:
    queries, _ = ask(model, fact, multi_mask=multi_mask, against=settings.against, positions=settings.positions)
    value = threshold_for(fact, settings, selection)
    sets = tuple(
        frozenset(coarse_set(each.scores, selection.selector, value))
        for each in attribute_all(model, each_alone(queries), settings)
    )
    reason = "one-prompt" if len(sets) < 2 else "" if any(sets) else "no-neurons"
    scores = None if reason else consistency_of(sets)
    return FactConsistency(fact, tuple(queries), sets, scores, None, float("nan"), reason)


def otsu(scores: Sequence[float]) -> float:
    """The threshold that splits scores into two groups that differ most, given how many are in each.

    Source: Otsu (1979), "A threshold selection method from gray-level histograms", on the values themselves.

    Args:
        scores: the scores; those that reach the threshold are the upper group.

    Returns:
        The smallest score of the upper group; without two different scores, `STATIC`.
    """
    values = np.sort(np.asarray(scores, dtype=np.float64))
    cuts = np.flatnonzero(np.diff(values) > 0) + 1
    if not len(cuts):
        return STATIC
    below = np.cumsum(values)[cuts - 1]
    low, high = below / cuts, (values.sum() - below) / (len(values) - cuts)
    between = cuts * (len(values) - cuts) * (high - low) ** 2
    return float(values[cuts[np.argmax(between)]])
