"""What experiments cost: numbers that can be, more draws not cheaper; training holds the weights several times."""

from __future__ import annotations

from factneurons.experiments.costs import COSTS, Cost


def test_a_fact_costs_more_with_more_draws():
    assert Cost(2.0, 0.5).of_fact(6) == 5.0
    assert Cost().of_fact(6) is None
    for cost in COSTS.values():
        few, many = cost.of_fact(0), cost.of_fact(20)
        assert few is many is None or 0 < few <= many


def test_only_training_holds_numbers_beside_the_weights():
    assert {of for of, cost in COSTS.items() if cost.copies} == {"E9", "E10"}
