"""Every verdict from a P(answer) that is written down."""

from __future__ import annotations

import math

import numpy as np
import pytest

from factneurons.attribution.drops import Drops
from factneurons.degeneracy.judge import NEEDED, storage_of
from factneurons.degeneracy.settings import DegeneracySettings
from factneurons.models.questions import answered, knowing
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


def single_neurons(suppressed):
    """One untouched half of four neurons suffices, of which each is a group of its own."""
    return 0.95 if len(suppressed) < 4 else 0.01


def judged(probability, groups, carries=no, neurons=ALL, prompts=1):
    def suppressed(sets):
        return np.array([[probability(frozenset(each)) for each in sets]])

    return answered(
        storage_of(
            neurons,
            groups,
            Drops(lambda sets: knowing(suppressed(sets))),
            lambda sets: knowing(suppressed(sets)[:prompts]),
            lambda group: knowing(carries(group)),
            DegeneracySettings(),
            fact_key="a fact",
        )
    )


@pytest.mark.parametrize(
    ("probability", "groups", "carries", "verdict"),
    [
        (either, [A, B], yes, "degenerate"),
        (either, [A, B], no, "redundant"),
        (either, [A, B], lambda group: group == A, "redundant"),
        (half, [A, B], yes, "interchangeable"),
        (single_neurons, [frozenset({neuron}) for neuron in ALL], yes, "undecided"),
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
    assert found.grouping == "distinct"
    assert found.evidence == pytest.approx(
        {"carry_others": 0.5, "halving": 1, "halving_least": 1, "halving_splits": 2, "halving_prompts": 1}
    )
    assert judged(both, [A, B]).evidence == pytest.approx({"share_of_each": 1.0})
    found = judged(sum_of_neurons, [A, B])
    assert found.evidence["share_of_each"] == pytest.approx(0.5)
    assert found.evidence["share_of_each"] < NEEDED
    assert found.groups == (ALL,)


def test_the_halving_test_decides():
    """Any eleven of twelve neurons can be spared: every grouping does as well."""
    neurons = [Neuron(0, index) for index in range(12)]
    first, second = frozenset(neurons[:6]), frozenset(neurons[6:])
    found = judged(lambda suppressed: 0.95 if len(suppressed) != 12 else 0.01, [first, second], yes, first | second)
    assert (found.verdict, found.grouping, found.reason) == ("interchangeable", "arbitrary", "")
    assert found.evidence["halving"] == 0


def test_what_only_helps_a_group_is_not_halved():
    """The helper alone loses next to nothing, so with it among the halves one half of all would spare everything."""
    helper = Neuron(2, 0)

    def probability(suppressed):
        return either(suppressed) * (0.93 if helper in suppressed else 1)

    found = judged(probability, [A | {helper}, B], no, ALL | {helper})
    assert found.verdict == "redundant"
    assert found.evidence["halving"] > 0.9
    assert set(found.groups) == {A | {helper}, B}


@pytest.mark.parametrize(
    ("groups", "prompts", "reason"), [([A - {Neuron(0, 0)}, B], 1, "no-halves"), ([A, B], 0, "one-prompt")]
)
def test_what_cannot_be_told_is_undecided(groups, prompts, reason):
    def probability(suppressed):
        return 0.95 if any(not group & suppressed for group in groups) else 0.01

    found = judged(probability, groups, yes, prompts=prompts)
    assert (found.verdict, found.grouping, found.reason) == ("undecided", "undecided", reason)
    assert set(found.groups) == set(groups)
    assert found.evidence == {"carry_others": 1}
