"""E3: shares add up, depths follow from them, and chance is that of random sets."""

from __future__ import annotations

from collections import Counter, defaultdict

import pytest

import factneurons as fn
from factneurons.experiments.experiment import RANDOM_FOR
from factneurons.experiments.study import Study
from factneurons.experiments.suite.layers import EXPERIMENT, KNOWLEDGE, REPAIRED, SHARED


def test_shares_add_up_and_say_how_deep(model, facts, sharing, measured_by):
    values = measured_by(EXPERIMENT, sharing, facts[0])
    shares = defaultdict(list)
    for (condition, measure, place), value in values.items():
        if measure == "share of layer":
            shares[condition].append((int(place), value))
    assert {KNOWLEDGE, SHARED, f"{RANDOM_FOR}{SHARED}"} <= set(shares)
    last = model.layer_count - 1
    for condition, own in shares.items():
        assert sum(share for _, share in own) == pytest.approx(1)
        depth = sum(layer * share for layer, share in own) / last
        assert values[condition, "depth", ""] == pytest.approx(depth)
        assert values[condition, "last two layers", ""] == pytest.approx(sum(s for la, s in own if la >= last - 1))
    counts = Counter(neuron.layer for neuron in sharing.knowledge(facts[0], "dai").neurons)
    assert dict(shares[KNOWLEDGE]) == {la: counts[la] / counts.total() for la in range(model.layer_count)}


def test_chance_is_that_of_random_sets(model, facts, sharing, measured_by):
    values = measured_by(EXPERIMENT, sharing, facts[0])
    known = [sharing.knowledge(fact, "dai") for fact in facts[:2]]
    (found,) = fn.language_independent(known, width=model.width)
    assert values[f"{RANDOM_FOR}{SHARED}", "neurons", ""] == pytest.approx(found.expected)


def test_other_facts_share_what_theirs_in_the_other_language_have(facts, sharing, measured_by):
    """The relation has one other fact: what is shared with it is an intersection."""
    values = measured_by(EXPERIMENT, sharing, facts[0])
    (other,) = (
        each for each in facts if (each.relation, each.language) == ("capital", "zh") and each.id != facts[0].id
    )
    both = set(sharing.knowledge(facts[0], "dai").neurons) & set(sharing.knowledge(other, "dai").neurons)
    assert values[REPAIRED, "other facts", ""] == 1
    assert values.get((REPAIRED, "neurons", ""), 0) == len(both)
    for layer in {neuron.layer for neuron in both}:
        share = sum(neuron.layer == layer for neuron in both) / len(both)
        assert values[REPAIRED, "share of layer", str(layer)] == pytest.approx(share)


def test_a_fact_in_one_language_has_nothing_shared(model, facts, few, measured_by):
    values = measured_by(EXPERIMENT, Study(model, facts[:1], few), facts[0])
    assert not {SHARED, REPAIRED} & {condition for condition, _, _ in values}
