from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from factneurons.attribution.drops import Drops
from factneurons.degeneracy.clusterers.registry import CLUSTERERS
from factneurons.degeneracy.settings import DegeneracySettings
from factneurons.models.questions import answered, knowing

DEFAULT = DegeneracySettings()


def test_pairs_are_those_that_lose_together(context_of, groups_apart, members):
    """The four with the best scores back each other up in twos; the others do nothing."""
    context = context_of(groups_apart(4, 4), drop=lambda suppressed: drop(suppressed))
    context = replace(context, scores=(0.9, 0.1, 0.7, 0.1, 0.1, 0.6, 0.1, 0.8))
    first, second = ({context.neurons[place] for place in places} for places in [(0, 7), (2, 5)])

    def drop(suppressed):
        return 0.4 * (first <= suppressed) + 0.5 * (second <= suppressed)

    clusterer = CLUSTERERS["pairs"]
    assert members(answered(clusterer.cluster(context, DEFAULT))) == [(0, 7), (2, 5)]
    by_place = replace(context, scores=(1.0,) * 8)
    assert answered(clusterer.cluster(by_place, DEFAULT)).reason == "one-cluster", "0 and 1 lose nothing and are out"
    nothing = context_of(groups_apart(4, 4), drop=lambda suppressed: 0.0)
    assert answered(clusterer.cluster(nothing, DEFAULT)).reason == "one-cluster"


@pytest.mark.parametrize(
    ("sizes", "probability", "reason"), [((2, 1), 0.5, "too-few-neurons"), ((4, 4), 0.0, "zero-probability")]
)
def test_what_cannot_be_searched_has_a_reason(sizes, probability, reason, context_of, groups_apart):
    context = replace(
        context_of(groups_apart(*sizes)), drops=Drops(lambda sets: knowing(np.full((1, len(sets)), probability)))
    )
    assert answered(CLUSTERERS["pairs"].cluster(context, DEFAULT)).reason == reason
