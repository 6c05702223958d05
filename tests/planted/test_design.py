"""Which neurons a fact gets: what every drawing has in common."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factneurons.facts.types import Fact, Prompt
from factneurons.planted.design import MANY, Order, design
from factneurons.planted.settings import ORDERED


def _fact(number: int, language: str = "en") -> Fact:
    return Fact(f"r/{number}", "r", f"s{number}", "a", language, (Prompt(f"s{number} is ___."),))


def _order(number: int, regime: str, partners: int) -> Order:
    languages = ("en", "zh") if regime == "bilingual" else ("en",)
    count = partners if regime == "degenerate" else 0
    others = tuple(_fact(1000 + 10 * number + place) for place in range(count))
    return Order(tuple(_fact(number, language) for language in languages), regime, others)


ORDERS = st.lists(st.tuples(st.sampled_from(ORDERED), st.integers(2, 3)), min_size=1, max_size=12).map(
    lambda drawn: [_order(number, *each) for number, each in enumerate(drawn)]
)
LAYERS = st.tuples(st.integers(0, 2), st.integers(2, 6)).map(lambda ends: range(ends[0], sum(ends)))
SEEDS = st.integers(0, 2**32 - 1)


@given(ORDERS, LAYERS, SEEDS)
@settings(max_examples=150)
def test_neurons_are_used_once_and_counted(orders, layers, seed):
    planted, need = design(orders, layers, seed)
    own = [fact for fact in planted if fact.regime != "shared"]
    places = [neuron for fact in own for neuron in fact.everything]
    assert len(set(places)) == len(places)
    for layer in range(10):
        numbers = sorted(neuron.index for neuron in places if neuron.layer == layer)
        assert numbers == list(range(need[layer]))
        assert not numbers or layer in {0, *layers}
    at_subject = [fact for fact in planted if fact.regime == "subject"]
    assert at_subject or 0 in layers or not need[0]


@given(ORDERS, LAYERS, SEEDS)
def test_shared_facts_have_a_component_of_another(orders, layers, seed):
    planted, _ = design(orders, layers, seed)
    by_id = {fact.id: fact for fact in planted}
    assert len(by_id) == len(planted)
    shared = [fact for fact in planted if fact.regime == "shared"]
    assert len(shared) == sum(len(order.partners) for order in orders)
    for fact in shared:
        (component,) = fact.components
        (first,) = component.serves
        (same,) = [each for each in by_id[first].components if each.serves == (fact.id,)]
        assert (same.neurons, same.wiring) == (component.neurons, component.wiring)
    for fact in planted:
        if fact.regime not in ("shared", "degenerate"):
            assert not any(component.serves for component in fact.components)


@given(ORDERS, LAYERS, SEEDS)
def test_every_regime_has_its_form(orders, layers, seed):
    for fact in design(orders, layers, seed)[0]:
        FORMS[fact.regime](fact)
        for component in fact.components:
            used = [neuron.layer for neuron in component.neurons]
            if component.wiring == "parallel":
                assert len(set(used)) == 1


def _units(fact):
    assert len(fact.components) in (2, 3)
    for component in fact.components:
        assert len(component.neurons) in (2, 3)
        if component.wiring == "series":
            assert len({neuron.layer for neuron in component.neurons}) == len(component.neurons)


def _copies(fact):
    _units(fact)
    assert len({(part.wiring, tuple(n.layer for n in part.neurons)) for part in fact.components}) == 1


def _stages(fact):
    assert len(fact.components) in (2, 3)
    used = [{neuron.layer for neuron in component.neurons} for component in fact.components]
    assert all(max(lower) < min(upper) for lower, upper in pairwise(used))


def _single(fact):
    assert [component.wiring for component in fact.components] == ["parallel"]
    assert len(fact.neurons) in (2, 3)


def _meeting(fact):
    assert [component.language for component in fact.components] == ["", "en", "zh"]
    lower = max(neuron.layer for neuron in fact.components[0].neurons)
    assert all(lower < neuron.layer for part in fact.components[1:] for neuron in part.neurons)


def _loose(fact):
    assert [len(component.neurons) for component in fact.components] == [1] * 6


def _sizes(fact):
    return [len(component.neurons) for component in fact.components]


def _lone(fact):
    sizes = _sizes(fact)
    assert len(sizes) == 3
    assert sizes[0] == 1
    assert {*sizes[1:]} <= {2, 3}


def _copies_of_one(fact):
    assert _sizes(fact) in ([1, 1], [1, 1, 1])


def _stacked(component):
    layers = sorted(neuron.layer for neuron in component.neurons)
    assert len({*layers}) == 2
    assert layers.count(layers[0]) == len(layers) // 2


def _large(fact):
    assert len(fact.components) == 2
    for component in fact.components:
        assert 5 <= len(component.neurons) <= 12
        _stacked(component)


def _unequal(fact):
    small, large = _sizes(fact)
    assert small in (2, 3)
    assert 6 <= large <= 9
    _stacked(fact.components[1])


def _four(fact):
    assert len(fact.components) == 4
    assert {*_sizes(fact)} <= {2, 3}


def _overlapping(fact):
    first, second = (set(component.neurons) for component in fact.components)
    (shared,) = first & second
    assert all(shared.layer < neuron.layer for neuron in first ^ second)
    assert len(fact.neurons) == len(first) + len(second) - 1


def _helped(fact):
    _single(fact)
    assert len(fact.helpers) == MANY
    assert not {*fact.helpers} & {*fact.neurons}


def _diffuse(fact):
    assert _sizes(fact) == [1] * MANY


def _at_the_subject(fact):
    assert _sizes(fact) == [2]
    assert {neuron.layer for neuron in fact.neurons} == {0}


FORMS = {
    "degenerate": _units,
    "redundant": _copies,
    "conjunctive": _stages,
    "single": _single,
    "bilingual": _meeting,
    "interchangeable": _loose,
    "shared": lambda fact: None,
    "lone": _lone,
    "copies": _copies_of_one,
    "large": _large,
    "unequal": _unequal,
    "four": _four,
    "overlapping": _overlapping,
    "helped": _helped,
    "diffuse": _diffuse,
    "subject": _at_the_subject,
}


ONE_LAYER = ["degenerate", "redundant", "single", "interchangeable", "lone", "copies", "four", "helped", "diffuse"]


@pytest.mark.parametrize("regime", ONE_LAYER)
def test_one_layer_is_enough_for_these(regime):
    planted, need = design([_order(0, regime, 2)], range(1, 2), 0)
    assert set(need) == {1}
    assert all(component.wiring == "parallel" for component in planted[0].components)


def test_the_seed_decides():
    orders = [_order(number, regime, 2) for number, regime in enumerate(ORDERED)]
    same, again, other = (design(orders, range(1, 5), seed) for seed in (1, 1, 2))
    assert same == again != other
    assert isinstance(same[1], Counter)


def test_neurons_of_a_language():
    (fact,) = design([_order(0, "bilingual", 0)], range(1, 4), 0)[0]
    meeting, english, chinese = (set(component.neurons) for component in fact.components)
    assert set(fact.neurons_of("en")) == meeting | english
    assert set(fact.neurons_of("zh")) == meeting | chinese
    assert set(fact.neurons) == meeting | english | chinese
