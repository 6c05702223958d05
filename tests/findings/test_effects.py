"""Relative changes over facts, held against numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from factneurons.findings.effects import changes_of, effects_of

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
                "size": 3,
                "action": action,
                "prompts": "unrelated" if other else "related",
                "other_fact_id": other,
                "probability_before": before,
                "probability_after": after,
                "log_change": None,
            }
            for fact, neurons, draw, action, other, before, after in ROWS
        ]
    )


@pytest.fixture
def facts() -> pd.DataFrame:
    return pd.DataFrame(
        [{"fact_id": name, "language": "en", "subject": name.upper(), "relation": "r", "known": True} for name in "abc"]
    )


def knowledge(interventions, facts):
    return [each for each in effects_of(changes_of([interventions]), facts) if each.neurons == "knowledge"]


def test_by_hand(interventions, facts):
    related, unrelated = knowledge(interventions, facts)
    assert (related.action, related.prompts) == ("suppress", "related")
    found, random = related.relative, related.relative.control
    assert found.value == pytest.approx((-0.75 - 0.25) / 2)
    assert random.estimate == pytest.approx((-0.25 + 0.125) / 2)
    assert found.difference.estimate == pytest.approx(found.value - random.estimate)
    assert (found.interval.low, found.interval.high) == pytest.approx((-0.75, -0.25))  # two subjects, drawn with return
    assert (found.n, related.left_out, related.dropped) == (2, 1, 2)
    assert (unrelated.action, unrelated.prompts) == ("suppress", "unrelated")
    assert unrelated.relative.value == pytest.approx((-0.2 + 0.0) / 2)
    assert unrelated.relative.control.estimate == pytest.approx((0.0 + 1.0) / 2)
    assert (unrelated.relative.n, unrelated.left_out) == (1, 0)
    assert math.isinf(unrelated.relative.interval.low)


def test_facts_about_one_subject_are_drawn_together(interventions, facts):
    together = knowledge(interventions, facts.assign(subject="the same"))[0].relative
    assert together.interval.clusters == 1
    assert math.isinf(together.interval.high)


def test_the_same_id_in_two_languages_is_two_facts(interventions, facts):
    both = pd.concat([interventions, interventions.assign(language="zh", probability_after=0.0)])
    effect = knowledge(both, pd.concat([facts, facts.assign(language="zh")]))[0].relative
    assert effect.n == 4
    assert effect.value == pytest.approx((-0.75 - 0.25 - 1 - 1) / 4)


def test_order_of_rows_changes_nothing(interventions, facts):
    shuffled = interventions.sample(frac=1, random_state=1)
    assert [each.relative.value for each in knowledge(shuffled, facts)] == pytest.approx(
        [each.relative.value for each in knowledge(interventions, facts)]
    )


def test_without_random_neurons_there_is_no_control(interventions, facts):
    (effect,) = (each for each in effects_of(changes_of([interventions]), facts) if each.neurons == "degenerate")
    assert (effect.relative.control, effect.relative.difference) == (None, None)
    assert knowledge(interventions[:0], facts) == []


def measurement(fact_id, before, after, draw=0):
    return {
        "fact_id": fact_id,
        "language": "en",
        "neurons": "knowledge",
        "action": "suppress",
        "prompts": "related",
        "draw": draw,
        "size": 3,
        "probability_before": before,
        "probability_after": after,
        "log_change": None,
    }


def test_a_probability_of_0_does_not_enter_and_is_counted():
    rows = [
        measurement("a", 0.0, 0.1),
        measurement("a", 0.5, 0.0),
        measurement("a", 0.4, 0.3),
        measurement("b", 0.0, 0.2),
    ]
    found = changes_of([pd.DataFrame(rows)])
    first, second = found.to_dict("records")
    assert first["relative"] == pytest.approx((-1.0 - 0.25) / 2)
    assert first["log"] == pytest.approx(np.log(0.75))
    assert [first[name] for name in ("relative_rows", "log_rows", "rows")] == [2, 1, 3]
    assert np.isnan(second["relative"])
    assert second["rows"] == 1


def test_changes_do_not_depend_on_where_the_table_is_cut(interventions):
    whole = changes_of([interventions])
    cut = changes_of([interventions.iloc[start : start + 3] for start in range(0, len(interventions), 3)])
    pd.testing.assert_frame_equal(whole, cut, rtol=1e-12)
    assert set(whole["draws"]) == {0, 1, 2}


def test_next_to_0_there_is_only_the_change_of_log_p(facts):
    """From 10^-9 to 10^-4 is +9,999,900 %, which is told nowhere."""
    rows = [measurement("a", 1e-9, 1e-4), {**measurement("a", 1e-9, 1e-9, 1), "neurons": "random for knowledge"}]
    (effect,) = effects_of(changes_of([pd.DataFrame(rows)]), facts)
    assert (effect.relative.n, effect.left_out, effect.dropped) == (0, 1, 2)
    assert math.isnan(effect.relative.value)
    assert effect.log.value == pytest.approx(math.log(1e5))
    assert effect.log.control.estimate == 0
    assert effect.findings == [effect.log]


def test_log_p_is_what_was_kept_and_of_earlier_runs_that_of_the_means(facts):
    rows = [measurement("a", 0.5, 0.25) | {"log_change": -2.0}, measurement("b", 0.5, 0.25)]
    (effect,) = effects_of(changes_of([pd.DataFrame(rows)]), facts)
    assert effect.log.value == pytest.approx((-2.0 + math.log(0.5)) / 2)
