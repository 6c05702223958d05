"""E13: where the new answer is looked for, and how often P(answer) falls, against the model itself."""

from __future__ import annotations

import numpy as np

from factneurons.editing.build import edit
from factneurons.experiments.suite.critical_checks import CHANGED, EXPERIMENT, FELL, MEASURES, SUPPRESS


def test_critical_checks(editable, measured_by):
    fact = editable.facts[0]
    found = measured_by(EXPERIMENT, editable, fact)
    places = {place for condition, measure, place in found if measure == "success rate"}
    assert places <= {"paraphrases", "reverse", "synonyms"}
    assert "paraphrases" in places
    neurons = editable.knowledge(fact, "amig").neurons
    _, tested = editable.halves(fact)
    before = editable.model.probabilities(tested)
    with edit(editable.model, fact, kind="suppress", neurons=neurons).on(editable.model):
        after = editable.model.probabilities(tested)
    assert found["suppress", "effect", FELL] == np.mean(after < before)


def test_no_prediction_changes_without_a_fall_of_the_answer_that_came_first(editable, measured_by):
    """Of facts whose answer comes first everywhere, a prediction changes only where P(answer) falls."""
    found = measured_by(EXPERIMENT, editable, editable.facts[0])
    assert set(MEASURES) - {"left out"} <= {measure for _, measure, _ in found}
    assert 0 <= found[SUPPRESS, "effect", CHANGED] <= found[SUPPRESS, "effect", FELL] <= 1
