"""Every verdict from a P(answer) that is written down."""

from __future__ import annotations

import math

import numpy as np
import pytest

from factneurons.degeneracy.drops import Drops
from factneurons.degeneracy.judge import NEEDED, storage_of
from factneurons.degeneracy.settings import DegeneracySettings
from factneurons.models.types import Neuron

A = frozenset({Neuron(0, 0), Neuron(0, 1)})
B = frozenset({Neuron(1, 0), Neuron(1, 1)})
ALL = A | B


def yes(_):
    return True


def no(_):
    return False


def either(suppressed):
    """One untouched group suffices."""
    return 0.95 if not A & suppressed or not B & suppressed else 0.01


def both(suppressed):
    """Both groups are needed."""
    return 0.01 if suppressed else 0.95


def half(suppressed):
    """Any two of the four neurons suffice."""
    return 0.95 if len(suppressed) <= 2 else 0.6 if len(suppressed) == 3 else 0.01


def sum_of_neurons(suppressed):
    """Every neuron adds the same to the log-odds."""
    return 1 / (1 + math.exp(-(3 - 2 * len(suppressed))))


def judged(probability, groups, carries=no, neurons=ALL):
    drops = Drops(lambda sets: np.array([probability(frozenset(each)) for each in sets]))
    return storage_of(neurons, groups, drops, carries, DegeneracySettings(), fact_key="a fact")


@pytest.mark.parametrize(
    ("probability", "groups", "carries", "verdict"),
    [
        (either, [A, B], yes, "degenerate"),
        (either, [A, B], no, "redundant"),
        (either, [A, B], lambda group: group == A, "redundant"),
        (half, [A, B], yes, "interchangeable"),
        (both, [A, B], yes, "conjunctive"),
        (sum_of_neurons, [A, B], no, "single"),
        (both, [ALL], no, "single"),
        (both, [], no, "single"),
        (both, [], yes, "shared"),
        (lambda _: 0.95, [A, B], yes, "none"),
    ],
)
def test_verdicts(probability, groups, carries, verdict):
    assert judged(probability, groups, carries).verdict == verdict


def test_no_neurons_no_storage():
    found = judged(both, [], neurons=frozenset())
    assert (found.verdict, found.groups, found.reason) == ("none", (), "one-cluster")


def test_evidence():
    found = judged(either, [A, B], lambda group: group == A)
    assert set(found.groups) == {A, B}
    assert found.evidence == {"carry_others": 0.5}
    assert found.controls["knowledge"].drop_halves == pytest.approx(1 - 0.01 / 0.95)
    assert judged(both, [A, B]).evidence == pytest.approx({"share_of_each": 1.0})
    found = judged(sum_of_neurons, [A, B])
    assert found.evidence["share_of_each"] == pytest.approx(0.5)
    assert found.evidence["share_of_each"] < NEEDED
    assert found.groups == (ALL,)


def test_a_p_value_that_cannot_be_small_does_not_decide():
    """Two groups of two can be formed in three ways, so that p is at least 1/3; halves settle it."""
    control = judged(either, [A, B]).controls["knowledge"]
    assert (control.partitions_possible, control.decisive) == (3, False)
    assert control.p_value > 0.05
    assert control.real(1 - 0.01 / 0.95)
    assert not judged(half, [A, B], yes).controls["knowledge"].real(1 - 0.01 / 0.95)


def test_a_p_value_that_can_be_small_decides():
    """Any eleven of twelve neurons can be spared: every grouping does as well."""
    neurons = [Neuron(0, index) for index in range(12)]
    first, second = frozenset(neurons[:6]), frozenset(neurons[6:])

    found = judged(lambda suppressed: 0.95 if len(suppressed) != 12 else 0.01, [first, second], yes, first | second)
    control = found.controls["knowledge"]
    assert control.decisive
    assert control.p_value == 1
    assert found.verdict == "interchangeable"
