"""Sets of neurons that suffice: the answer survives when all other neurons of the fact are suppressed.

In: losses of P(answer) by suppressed set. Out: disjoint sets A of a fact's neurons N, without a neuron to spare:

    A suffices:   drop(N - A) <= most_lost

They are found one after the other, each among the neurons that the earlier ones leave over, by leaving out whatever
can be spared. Sets asked of the model: about twice the number of neurons for each round of leaving out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from factneurons.attribution.drops import Drops, NeuronSet
from factneurons.models.questions import Asking

_STEPS = 8
"""Steps that are asked at once: most are never reached, and few at a time fill no pass."""


def sufficient_sets(everything: NeuronSet, drops: Drops, most_lost: float) -> Asking[list[NeuronSet]]:
    """Disjoint sets of neurons, each of them sufficient and without a neuron to spare, until no more are left.

    Args:
        everything: all neurons of the fact.
        drops: measured losses.
        most_lost: a set suffices if no more than this share of P(answer) is lost without the others.
    """
    found: list[NeuronSet] = []
    left = everything
    while left:
        (lost,) = yield from drops.asked([everything - left])
        if lost > most_lost:
            break
        smallest = yield from without_spare(left, everything, drops, most_lost)
        if not smallest:
            break
        found.append(smallest)
        left -= smallest
    return found


def without_spare(left: NeuronSet, everything: NeuronSet, drops: Drops, most_lost: float) -> Asking[NeuronSet]:
    """Leave out neurons of a sufficient set, those that cost least first, as many at once as can be spared.

    Args:
        left: the set.
        everything: all neurons that are suppressed with what is left out; `left` is among them.
        drops: measured losses.
        most_lost: see `sufficient_sets`.
    """
    while left:
        order = sorted(left)
        lost = yield from drops.asked([everything - (left - {neuron}) for neuron in order])
        spare = [order[place] for place in np.argsort(lost, kind="stable") if lost[place] <= most_lost]
        if not spare:
            break
        left = yield from _last_sufficient(
            [left - frozenset(spare[: count + 1]) for count in range(len(spare))], everything, drops, most_lost
        )
    return left


def _last_sufficient(
    steps: Sequence[NeuronSet], everything: NeuronSet, drops: Drops, most_lost: float
) -> Asking[NeuronSet]:
    """The last of ever smaller sets before the first that suffices no more; the first one does suffice."""
    for begin in range(0, len(steps), _STEPS):
        asked = [everything - step for step in steps[begin : begin + _STEPS]]
        lost = yield from drops.asked(asked)
        failing = np.flatnonzero(~(lost <= most_lost))
        if len(failing):
            return steps[begin + int(failing[0]) - 1]
    return steps[-1]
