"""Every measure against cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factneurons.benchmark.contestants import groupers, scorers
from factneurons.benchmark.judging import (
    Unit,
    chosen_neurons,
    grouping_metrics,
    held_out_losses,
    judge,
    localisation_metrics,
    true_groups,
)
from factneurons.benchmark.settings import ORACLE, TRUE, VERDICTS
from factneurons.errors import BadModel
from factneurons.facts.types import Fact, Prompt
from factneurons.models.load import load_model
from factneurons.models.prompts import queries_of
from factneurons.models.types import Neuron
from factneurons.planted.truth import Truth
from factneurons.planted.types import PlantedComponent, PlantedFact


def group(*indices, layer=0):
    return frozenset(Neuron(layer, index) for index in indices)


A, B = group(0, 1), group(2, 3)
ALL = A | B


@pytest.mark.parametrize(
    ("groups", "index", "f1"),
    [
        ([A, B], 1.0, 1.0),
        ([B, A], 1.0, 1.0),
        ([group(0, 2), group(1, 3)], -0.5, 0.0),  # Jaccard 1/3 with each component
        ([], 0.0, 0.0),  # no group: all neurons are one, whose Jaccard index with each component is just 1/2
        ([ALL], 0.0, 0.0),
        ([A], 4 / 7, 2 / 3),  # 2 and 3 stand for themselves
        ([A, group(2), group(3)], 4 / 7, 2 / 5),
    ],
)
def test_grouping_of_two_pairs(groups, index, f1):
    found = grouping_metrics([A, B], groups, ALL)
    assert found == pytest.approx({"adjusted_rand_index": index, "f1": f1})


def test_one_component_in_one_group_is_right():
    assert grouping_metrics([ALL], [], ALL) == {"adjusted_rand_index": 1.0, "f1": 1.0}


def test_missed_and_foreign_neurons_count():
    """Only A was found, with a foreign neuron: Jaccard 2/3 with A; of 10 pairs 3 are together, 1 rightly."""
    found = grouping_metrics([A, B], [A | group(9)], A | group(9))
    together, true, right, pairs = 3, 2, 1, 10
    expected = true * together / pairs
    assert found["adjusted_rand_index"] == pytest.approx((right - expected) / ((true + together) / 2 - expected))
    assert found["f1"] == pytest.approx(2 / 3)


def test_a_source_without_neurons_finds_nothing():
    found = grouping_metrics([A, B], [], frozenset())
    assert found["f1"] == 0.0
    assert found["adjusted_rand_index"] == 0.0


@given(st.lists(st.integers(0, 3), min_size=2, max_size=10), st.randoms())
def test_the_components_themselves_are_right_in_any_order(labels, random):
    groups = [group(*(i for i, own in enumerate(labels) if own == label)) for label in sorted({*labels})]
    shuffled = random.sample(groups, len(groups))
    assert grouping_metrics(groups, shuffled, frozenset().union(*groups)) == {"adjusted_rand_index": 1.0, "f1": 1.0}


def test_localisation():
    """Ranked: right, wrong, right, wrong: average precision (1/1 + 2/3) / 2."""
    scores = np.array([[[0.9, 0.5], [0.7, 0.1]]], dtype=np.float32)
    true = frozenset({Neuron(0, 0), Neuron(0, 1)})
    found = localisation_metrics(true, frozenset({Neuron(0, 0), Neuron(1, 0), Neuron(1, 1)}), scores)
    assert found == {
        "precision": pytest.approx(1 / 3),
        "recall": 0.5,
        "average_precision": pytest.approx(5 / 6),
        "chosen": 3,
        "true": 2,
    }


def test_neurons_that_are_neither_right_nor_wrong_are_left_out():
    scores = np.array([[[0.9, 0.5], [0.7, 0.1]]], dtype=np.float32)
    true, ignored = frozenset({Neuron(0, 0), Neuron(0, 1)}), frozenset({Neuron(1, 0)})
    found = localisation_metrics(true, frozenset({Neuron(0, 0), Neuron(1, 0)}), scores, ignored)
    assert (found["precision"], found["recall"], found["average_precision"]) == (1.0, 0.5, 1.0)


def _unit(model, *parts, prompts=("The capital of France is ___.", "Paris is ___.", "France: ___.")):
    fact = Fact("capital/france", "capital", "France", "Paris", "en", tuple(Prompt(text) for text in prompts))
    components = tuple(PlantedComponent(tuple(sorted(part))) for part in parts)
    return Unit(PlantedFact((fact,), "overlapping", components), fact, queries_of(model, fact))


def test_what_is_found_is_tested_with_the_other_prompts(tiny):
    """Against the definition, prompt by prompt; nothing that is searched with is asked."""
    model = load_model(tiny)
    unit = _unit(model, A, B)
    assert [query.prompt for query in unit.searched] == [unit.fact.prompts[0], unit.fact.prompts[2]]
    (held_out,) = unit.fact.prompts[1:2]
    chosen = group(*range(40))
    before = model.probability(held_out, "Paris")
    with model.suppress(chosen):
        after = model.probability(held_out, "Paris")
    nothing, lost = held_out_losses(model, unit, [frozenset(), chosen])
    assert nothing == 0.0
    assert lost == pytest.approx(1 - after / before, abs=1e-5)
    assert np.isnan(held_out_losses(model, _unit(model, A, prompts=("France: ___.",)), [A])).all()


def test_the_true_groups_of_what_was_found(tiny):
    unit = _unit(load_model(tiny), group(0, 1, 2), group(2, 3), group(4))
    assert true_groups(unit, group(1, 2, 3, 9)) == [group(1, 2), group(3)]


def test_nothing_chosen_has_no_precision():
    found = localisation_metrics(A, frozenset(), np.ones((1, 1, 4), dtype=np.float32))
    assert (found["precision"], found["recall"]) == (0.0, 0.0)
    assert found["average_precision"] == pytest.approx(0.5)  # all scores are equal: the share of true neurons


def test_average_precision_is_that_of_the_mean_over_prompts():
    scores = np.array([[[1.0, 0.0]], [[0.0, 3.0]]], dtype=np.float32)
    assert localisation_metrics(group(1), frozenset(), scores)["average_precision"] == 1.0


def test_chosen_in_enough_prompts():
    strong, weak = [[1.0, 0.5, 0.0]], [[1.0, 0.0, 0.9]]
    scores = np.array([strong, strong, strong, weak], dtype=np.float32)
    assert chosen_neurons(scores, 0.3) == group(0, 1)
    assert chosen_neurons(scores[3:], 0.3) == group(0, 2)


def test_every_fact_is_judged_by_every_contestant(tiny):
    judged = judge(tiny, grouped_by=(TRUE,))
    facts = {"capital/france", "capital/japan", "capital/peru"}
    assert {(row.fact_id, row.method) for row in judged.localisation.itertuples()} == {
        (fact, method) for fact in facts for method in scorers()
    }
    assert {(row.fact_id, row.clusterer) for row in judged.verdicts.itertuples()} == {
        *((fact, name) for fact in facts for name in groupers()),
        *((fact, ORACLE) for fact in facts - {"capital/peru"}),
    }
    assert set(judged.grouping["fact_id"]) == facts - {"capital/peru"}, "interchangeable neurons have no right grouping"
    assert set(judged.verdicts["verdict"]) <= set(VERDICTS)
    assert judged.localisation.groupby("fact_id")["true"].first().to_dict() == {
        "capital/france": 4,
        "capital/japan": 2,
        "capital/peru": 3,
    }


def test_facts_that_act_elsewhere_are_not_judged(tmp_path):
    fact = Fact("r/a", "r", "s", "a", "en", (Prompt("s is ___."),))
    planted = PlantedFact((fact,), "subject", (PlantedComponent(tuple(sorted(A))),))
    Truth("base", 0, (planted,), {}, (), {}).save(tmp_path)
    with pytest.raises(BadModel, match="neurons act at 'subject_last'; methods are judged at the target"):
        judge(tmp_path)
