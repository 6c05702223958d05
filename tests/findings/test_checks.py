"""Measures with intervals from rows of scores, against what can be counted by hand."""

import numpy as np
import pandas as pd
import pytest

from factneurons.factcheck.conditions import HEADLINE
from factneurons.findings.checks import MEASURES, judged_of, results_of, training_rows


def rows(
    count=20, *, condition="probability", draw=0, known=True, right=0.9, wrong=0.1, relation="r", first=0, apart=True
):
    """Two statements each of some facts; every fifth subject is in the test."""
    return [
        {
            "fact_id": f"{relation}/{number}",
            "language": "en",
            "relation": relation,
            "subject": f"s{number}",
            "split": "train" if number % 5 else "test",
            "known": known,
            "apart": apart,
            "prompt": "p ___",
            "candidate": "c",
            "truth": truth,
            "condition": condition,
            "draw": draw,
            "score": right if truth else wrong,
            "speakers": [],
        }
        for number in range(first, first + count)
        for truth in (True, False)
    ]


def test_perfect_scores():
    result = results_of(pd.DataFrame(rows(40)), draws=20)
    assert [(each.judged.condition, each.facts, each.left_out) for each in result] == [("probability", 8, 0)]
    for name in ("precision", "recall", "F1", "macro F1", "AUROC", "macro AUROC", "average precision"):
        found = result[0].measures[name].interval
        assert (found.estimate, found.low, found.high) == (1, 1, 1)
        assert (found.n, found.clusters) == (16, 8)
    assert result[0].measures["Brier score"].value < 0.01


def test_reversed_scores_are_no_better_than_always_true():
    """The best that a threshold can do is to let everything pass."""
    found = results_of(pd.DataFrame(rows(40, right=0.1, wrong=0.9)), draws=20)[0].measures
    assert found["recall"].value == 1
    assert found["precision"].value == 0.5
    assert found["AUROC"].value == 0


def test_random_draws_are_averaged():
    one, other = rows(40, condition="random"), rows(40, condition="random", draw=1, right=0.1, wrong=0.9)
    found = results_of(pd.DataFrame([*one, *other]), draws=20)[0].measures
    assert found["AUROC"].value == pytest.approx(0.5)
    assert found["F1"].value == pytest.approx((1 + 2 / 3) / 2)


def test_unknown_facts_are_told_apart_and_never_trained_on():
    table = pd.DataFrame([*rows(40), *rows(40, known=False, relation="u", right=0.1, wrong=0.2)])
    assert training_rows(table)["known"].all()
    known, unknown = results_of(table, draws=20)
    assert (known.judged.known, unknown.judged.known) == (True, False)
    assert known.measures["AUROC"].value == 1
    assert unknown.measures["AUROC"].value < 0.5


def test_without_known_facts_there_are_no_thresholds():
    found = results_of(pd.DataFrame(rows(40, known=False)), draws=20)
    assert set(found[0].measures) == {name for name, (_, _, needs) in MEASURES.items() if not needs}
    assert not found[0].judged.judged.any()


def test_conditions_are_compared_on_the_same_facts():
    probability = rows(40)
    knowledge = [{**row, "condition": "knowledge"} for row in probability]
    for row in knowledge:
        if row["fact_id"] == "r/5":
            row["score"] = float("nan")
    result = results_of(pd.DataFrame([*probability, *knowledge]), draws=20)
    assert [(each.judged.condition, each.facts, each.left_out) for each in result] == [
        ("knowledge", 7, 1),
        ("probability", 7, 1),
    ]
    assert HEADLINE.index("knowledge") < HEADLINE.index("probability")


def test_relations_weigh_the_same_in_macro_means():
    table = pd.DataFrame([*rows(80), *rows(40, relation="q", right=0.1, wrong=0.9)])
    found = results_of(table, draws=20)[0].measures
    assert found["macro AUROC"].value == pytest.approx(0.5)
    assert found["macro F1"].value == pytest.approx((1 + 2 / 3) / 2)


def test_thresholds_are_those_of_the_relation():
    table = pd.DataFrame([*rows(40), *rows(40, relation="q", right=0.09, wrong=0.01)])
    judged = judged_of(table)[0]
    by_relation = dict(zip(judged.frame["relation"], judged.thresholds[:, 0], strict=True))
    assert by_relation["r"] > 0.1 > by_relation["q"]
    assert (judged.judged[:, 0] == judged.truth).all()
    assert np.isfinite(judged.probabilities).all()


@pytest.mark.parametrize("missing", [False, None])
def test_what_the_design_decides_is_counted_of_asking_alone(missing):
    """Runs of earlier versions have null: their statements may be in the prompt that makes the fact known."""
    few = {"first": 40, "relation": "s", "apart": missing}
    table = [row for name in HEADLINE for more in ({}, few) for row in rows(20, condition=name, **more)]
    results = {each.judged.condition: each for each in results_of(pd.DataFrame(table), draws=20)}
    assert {name: each.by_design for name, each in results.items()} == {
        name: 4 * (name == "asking") for name in HEADLINE
    }
    assert all(each.could_tell for each in results.values())
    only = [row for name in HEADLINE for row in rows(20, condition=name, **few)]
    (asking,) = (each for each in results_of(pd.DataFrame(only), draws=20) if each.judged.condition == "asking")
    assert not asking.could_tell
    assert asking.title == "asking the model (by design)"
