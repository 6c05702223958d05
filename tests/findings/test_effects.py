"""Relative changes over facts, held against numbers worked out by hand."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from factneurons.findings.effects import effects_of, relative_changes

# fact, neurons, draw, action, other, before, after
ROWS = [
    ("a", "knowledge", 0, "suppress", None, 0.8, 0.2),  # -0.75
    ("a", "random for knowledge", 1, "suppress", None, 0.8, 0.8),
    ("a", "random for knowledge", 2, "suppress", None, 0.8, 0.4),  # mean -0.25
    ("b", "knowledge", 0, "suppress", None, 0.4, 0.3),  # -0.25
    ("b", "random for knowledge", 1, "suppress", None, 0.4, 0.5),
    ("b", "random for knowledge", 2, "suppress", None, 0.4, 0.4),  # mean +0.125
    ("a", "knowledge", 0, "suppress", "x", 0.5, 0.4),
    ("a", "knowledge", 0, "suppress", "y", 0.1, 0.1),  # mean -0.1
    ("a", "random for knowledge", 1, "suppress", "x", 0.5, 0.5),
    ("a", "random for knowledge", 1, "suppress", "y", 0.1, 0.2),  # mean +0.5
    ("c", "knowledge", 0, "suppress", None, 0.0, 0.0),  # nothing to compare with
    ("c", "random for knowledge", 1, "suppress", None, 0.0, 0.1),
    ("a", "degenerate", 0, "suppress", None, 0.8, 0.0),
]


@pytest.fixture
def interventions() -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "fact_id": fact,
                "language": "en",
                "neurons": neurons,
                "draw": draw,
                "action": action,
                "prompts": "unrelated" if other else "related",
                "other_fact_id": other,
                "probability_before": before,
                "probability_after": after,
            }
            for fact, neurons, draw, action, other, before, after in ROWS
        ]
    )


@pytest.fixture
def facts() -> pd.DataFrame:
    return pd.DataFrame(
        [{"fact_id": name, "language": "en", "subject": name.upper(), "relation": "r", "known": True} for name in "abc"]
    )


def test_by_hand(interventions, facts):
    related, unrelated = effects_of(interventions, facts, "knowledge")
    assert (related.neurons, related.action, related.prompts) == ("knowledge", "suppress", "related")
    assert related.found.estimate == pytest.approx((-0.75 - 0.25) / 2)
    assert related.random.estimate == pytest.approx((-0.25 + 0.125) / 2)
    assert (related.found.low, related.found.high) == pytest.approx((-0.75, -0.25))  # two subjects, drawn with return
    assert (related.found.n, related.left_out) == (2, 1)
    assert (unrelated.action, unrelated.prompts) == ("suppress", "unrelated")
    assert unrelated.found.estimate == pytest.approx((-0.2 + 0.0) / 2)
    assert unrelated.random.estimate == pytest.approx((0.0 + 1.0) / 2)
    assert (unrelated.found.n, unrelated.left_out) == (1, 0)
    assert math.isinf(unrelated.found.low)


def test_one_row_per_fact_and_condition(interventions, facts):
    changes = relative_changes(interventions, facts)
    assert not changes.duplicated(["fact_id", "language", "neurons", "action", "prompts"]).any()
    assert "c" not in set(changes["fact_id"])
    assert dict(zip(changes["fact_id"], changes["subject"], strict=True)) == {"a": "A", "b": "B"}


def test_facts_about_one_subject_are_drawn_together(interventions, facts):
    together = effects_of(interventions, facts.assign(subject="the same"), "knowledge")[0]
    assert together.found.clusters == 1
    assert math.isinf(together.found.high)


def test_the_same_id_in_two_languages_is_two_facts(interventions, facts):
    both = pd.concat([interventions, interventions.assign(language="zh", probability_after=0.0)])
    told = pd.concat([facts, facts.assign(language="zh")])
    effect = effects_of(both, told, "knowledge")[0]
    assert effect.found.n == 4
    assert effect.found.estimate == pytest.approx((-0.75 - 0.25 - 1 - 1) / 4)


def test_order_of_rows_changes_nothing(interventions, facts):
    shuffled = interventions.sample(frac=1, random_state=1)
    assert effects_of(shuffled, facts, "knowledge") == effects_of(interventions, facts, "knowledge")


def test_without_a_control_there_is_no_effect(interventions, facts):
    assert effects_of(interventions, facts, "degenerate") == []
    assert effects_of(interventions[:0], facts, "knowledge") == []
