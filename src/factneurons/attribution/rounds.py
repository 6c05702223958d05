"""Location in rounds: what is found is suppressed, and the next round looks for what stands in for it.

In: a model and the queries of one fact. Out: its neurons round by round, and scores of all neurons.

A neuron with a backup does not matter while the backup is there, and a path from zero to its activation shows it only
in part. With the neurons of the first round suppressed, the fact rests on the backup alone, and attribution sees that.
Rounds end when the answer is lost, when nothing new is found, or after the last round.

The answer is lost too when only a part of every backup was found. So each set of neurons that suffices is looked at in
the state where the fact rests on it alone, all else that was found being suppressed: what then is found anew, and costs
a good part of the answer when it is suppressed as well, belongs to it. That is done until nothing is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from factneurons.attribution.attribute import attribute_all
from factneurons.attribution.drops import Drops, NeuronSet, log_odds_lost, union
from factneurons.attribution.methods import method_named
from factneurons.attribution.selection import Chosen, choose
from factneurons.attribution.settings import AttributionSettings, SelectionSettings
from factneurons.attribution.sufficient import sufficient_sets
from factneurons.attribution.types import AnyFloats, Attribution
from factneurons.models.model import Model
from factneurons.models.questions import Asking, asking
from factneurons.models.types import Query

LOST = 0.9
"""The answer is lost when this share of P(answer) is."""

SUFFICES = 0.2
"""A set suffices where at most this share of P(answer) is lost without the other neurons that were found."""

MISSED = 0.2
"""A set misses a neuron without which it loses at least this share of its log-odds of P(answer)."""


@dataclass(frozen=True, slots=True)
class Round:
    """One round.

    Attributes:
        attributions: of every query, with the neurons in `suppressed` suppressed.
        chosen: what is new in it, best first.
        suppressed: what was found before, or all of it but a set that suffices.
        completes: the round looked for what such a set misses.
    """

    attributions: Sequence[Attribution]
    chosen: Chosen
    suppressed: NeuronSet
    completes: bool = False


def search_in_rounds(
    model: Model,
    queries: Sequence[Query],
    settings: AttributionSettings,
    threshold: float,
    selection: SelectionSettings,
    *,
    first: Sequence[Attribution] | None = None,
    negatives: Sequence[Attribution] = (),
) -> Asking[list[Round]]:
    """Find a fact's neurons round by round, as often as the selection says, or else the method.

    It is a search, for `Model.answer`, so that those of many facts can be advanced together.

    Args:
        model: a loaded model.
        queries: the fact's queries.
        settings: how to attribute.
        threshold: the selector's value, in every round.
        selection: how to choose neurons.
        first: the attributions of the first round, where they are there already.
        negatives: see `selection.choose`.

    Raises:
        BadNumber: when it is advanced, scores that are NaN or infinite.
    """
    last = selection.rounds or method_named(settings.method).rounds
    drops = Drops(lambda sets: asking(queries, sets))

    def look(suppressed: NeuronSet, found: NeuronSet) -> Round:
        with model.suppress(suppressed):
            attributions = attribute_all(model, queries, settings) if suppressed or first is None else first
        return Round(attributions, _without(choose(attributions, selection, threshold, negatives), found), suppressed)

    rounds = yield from _one_after_the_other(look, drops, last)
    return rounds + (yield from _completed(look, drops, _all_of(rounds), last)) if last > 1 else rounds


_Look = Callable[[NeuronSet, NeuronSet], Round]
"""What is suppressed, what was found -> a round."""


def _one_after_the_other(look: _Look, drops: Drops, last: int) -> Asking[list[Round]]:
    """Each round suppresses what was found before."""
    rounds: list[Round] = []
    for number in range(1, last + 1):
        rounds.append(look(_all_of(rounds), _all_of(rounds)))
        if number == last or not rounds[-1].chosen.neurons:
            break
        (lost,) = yield from drops.asked([_all_of(rounds)])
        if not lost < LOST:
            break
    return rounds


def _completed(look: _Look, drops: Drops, found: NeuronSet, most: int) -> Asking[list[Round]]:
    """What the sets that suffice miss, and what is left when they are suppressed whole, until nothing is."""
    rounds: list[Round] = []
    for _ in range(most):
        before, whole = found.union(_all_of(rounds)), list[NeuronSet]()
        (lost,) = yield from drops.asked([before])
        if not lost >= LOST:
            break
        for enough in (yield from sufficient_sets(before, drops, SUFFICES)):
            each = yield from _missed(look(before - enough, found.union(_all_of(rounds))), before, drops)
            rounds.append(each)
            whole.append(enough.union(each.chosen.neurons))
        (lost,) = yield from drops.asked([union(whole)])
        if lost < LOST:
            rounds.append(look(union(whole), found.union(_all_of(rounds))))
        if found.union(_all_of(rounds)) == before:
            break
    return rounds


def _missed(looked: Round, found: NeuronSet, drops: Drops) -> Asking[Round]:
    """Of what a round found, the neurons without which the set that the fact rests on loses much."""
    new = looked.chosen.neurons
    if not new:
        return replace(looked, completes=True)
    sets = [looked.suppressed, found, *(looked.suppressed | {neuron} for neuron in new)]
    yield from drops.measure(sets)
    base, everything, *each = log_odds_lost(drops, sets)
    needed = [place for place, lost in enumerate(each) if lost - base >= MISSED * (everything - base)]
    return replace(looked, chosen=_at(looked.chosen, needed), completes=True)


def _all_of(rounds: Sequence[Round]) -> NeuronSet:
    return frozenset(neuron for each in rounds for neuron in each.chosen.neurons)


def scores_in_rounds(rounds: Sequence[Round]) -> AnyFloats:
    """Scores as shares of the largest in their round, the best of all rounds, [prompts, layers, width].

    What is suppressed in a round has no score in it.
    """
    best = np.zeros((len(rounds[0].attributions), *rounds[0].attributions[0].scores.shape))
    for each in rounds:
        for row, attribution in enumerate(each.attributions):
            values = attribution.scores.astype(np.float64)
            for neuron in each.suppressed:
                values[neuron.layer, neuron.index] = 0.0
            largest = float(values.max())
            if each.completes:  # the others were judged before
                kept = np.zeros_like(values)
                for neuron in each.chosen.neurons:
                    kept[neuron.layer, neuron.index] = values[neuron.layer, neuron.index]
                values = kept
            if largest > 0:
                best[row] = np.maximum(best[row], values / largest)
    return best


def _without(chosen: Chosen, known: NeuronSet) -> Chosen:
    return _at(chosen, [place for place, neuron in enumerate(chosen.neurons) if neuron not in known])


def _at(chosen: Chosen, places: Sequence[int]) -> Chosen:
    return Chosen(
        neurons=tuple(chosen.neurons[place] for place in places),
        scores=tuple(chosen.scores[place] for place in places),
        shares=tuple(chosen.shares[place] for place in places),
    )
