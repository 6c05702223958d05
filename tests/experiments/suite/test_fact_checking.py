"""E4: only facts about held-out subjects are judged, and the model's own answer is right about what it knows."""

from __future__ import annotations

import numpy as np
import pytest

from factneurons.errors import NotAskable
from factneurons.experiments.suite.fact_checking import EXPERIMENT


@pytest.fixture(scope="module")
def judged(capitals):
    """Fact id -> its numbers, or why it was left out."""
    work, found = EXPERIMENT.prepare(capitals), {}
    for fact in capitals.facts:
        try:
            found[fact.id] = {(row.condition, row.measure, row.place): row.value for row in work(fact)}
        except NotAskable as error:
            found[fact.id] = error.reason
    return found


def test_a_fifth_of_the_subjects_is_judged(judged):
    reasons = [each for each in judged.values() if isinstance(each, str)]
    assert reasons == ["for-training"] * 6


def test_asking_and_probability_are_right_about_known_facts(judged):
    for values in (each for each in judged.values() if not isinstance(each, str)):
        assert values["asking", "right verdicts", ""] == values["probability", "right verdicts", ""] == 1
        assert values["probability", "score, right", ""] > values["probability", "score, wrong", ""]


def test_a_verdict_is_made_of_both_statements(judged):
    for values in (each for each in judged.values() if not isinstance(each, str)):
        conditions = {condition for condition, _, _ in values}
        assert {"knowledge", "random for degenerate", "asking", "probability"} <= conditions
        for name in conditions:
            found, believed = values[name, "right found", ""], values[name, "wrong believed", ""]
            assert values[name, "right verdicts", ""] == pytest.approx((found + 1 - believed) / 2)
            assert np.isfinite(values[name, "score, right", ""])
