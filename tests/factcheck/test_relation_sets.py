"""What statements are scored by: only training facts that the model knows have a say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from factneurons.factcheck.relation_neurons import degenerate_of, in_common
from factneurons.factcheck.relation_sets import (
    CheckedFacts,
    degenerate_sets,
    name_of,
    relation_sets,
    without_components,
)
from factneurons.factcheck.settings import CheckSettings
from factneurons.models.types import Neuron

GROUP = ("capital", "en")
A, B, C = Neuron(2, 296), Neuron(3, 130), Neuron(0, 5)


@pytest.fixture(scope="module")
def checked(capitals):
    """Twelve facts: the first is unknown, the last two are kept for the test; every other one holds C besides A, B."""
    neurons = {name_of(fact): (A, B, C)[: 2 + place % 2] for place, fact in enumerate(capitals)}
    known = frozenset(name_of(fact) for fact in capitals[1:])
    return CheckedFacts(capitals, known, neurons, {GROUP: frozenset(fact.subject for fact in capitals[-2:])})


@pytest.fixture(scope="module")
def found(gpt2, checked):
    alike = {GROUP: degenerate_of({"components": [[A], [A, B], [A]]}, 9, "components")}
    return relation_sets(gpt2, checked, alike, CheckSettings(draws=3), False)


def test_training_facts_are_known_and_not_held_out(checked, capitals):
    assert checked.training() == {GROUP: capitals[1:-2]}
    assert [checked.split(fact) for fact in capitals] == ["train"] * 10 + ["test"] * 2


def test_sets_are_what_training_facts_have_in_common(found, checked, capitals):
    own = [checked.neurons[name_of(fact)] for fact in capitals[1:-2]]
    assert found.knowledge == {GROUP: in_common(own, 0.5)}
    assert found.degenerate == {GROUP: (A,)}


def test_other_facts_have_no_say(gpt2, checked, capitals, found):
    """Whatever neurons the unknown fact and the test facts have, the sets stay the same."""
    outside = [capitals[0], *capitals[-2:]]
    other = replace(checked, neurons={**checked.neurons, **{name_of(fact): (Neuron(1, 1),) for fact in outside}})
    alike = {GROUP: degenerate_of({"components": [[A], [A, B], [A]]}, 9, "components")}
    again = relation_sets(gpt2, other, alike, CheckSettings(draws=3), False)
    assert again.conditions == found.conditions
    assert again.settings == found.settings
    assert again.digest() == found.digest()


def test_conditions_come_in_one_order(found):
    assert [(name, draw) for name, draw, _ in found.conditions] == [
        ("degenerate", 0), ("knowledge", 0), ("random", 0), ("random", 1), ("random", 2)
    ]  # fmt: skip
    for _, _, own in found.conditions[2:]:
        assert sorted(neuron.layer for neuron in own[GROUP]) == sorted(n.layer for n in found.degenerate[GROUP])


def test_the_digest_is_of_all_that_scores_rest_on(found):
    changed = [
        replace(found, knowledge={GROUP: (B,)}),
        replace(found, degenerate={GROUP: (B,)}),
        replace(found, random=found.random[:2]),
        replace(found, settings=replace(found.settings, target="logit")),
    ]
    assert len({found.digest(), *(each.digest() for each in changed)}) == 5
    assert replace(found, points_error=0.5).digest() == found.digest()


def test_pairs_are_wanted_where_components_are_few(checked, capitals):
    training = checked.training()
    names = [name_of(fact) for fact in capitals[1:-2]]
    assert without_components(training, {}) == set(names)
    assert without_components(training, dict.fromkeys(names[:2], (A,))) == set(names)
    assert without_components(training, dict.fromkeys(names[:3], (A,))) == set()
    assert without_components(training, dict.fromkeys(names, ())) == set(names)


def test_degenerate_neurons_come_from_the_source_that_is_asked(checked, capitals):
    names = [name_of(fact) for fact in capitals[1:-2]]
    components, pairs, every = dict.fromkeys(names[:3], (A,)), dict.fromkeys(names, (B,)), dict.fromkeys(names, (B, C))

    def sets(source, found=components):
        return degenerate_sets(checked.training(), found, pairs, every, source)[GROUP]

    assert (sets("components").sets, sets("components").facts) == ((frozenset([A]),) * 3, 9)
    assert sets("pairs").sets == (frozenset([B]),) * 9
    assert sets("prompt_pairs").sets == (frozenset([B, C]),) * 9
    assert sets("auto").source == "components"
    assert sets("auto", {}).source == "prompt_pairs"
