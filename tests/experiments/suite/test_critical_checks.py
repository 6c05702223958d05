"""E13: where the new answer is looked for, and how often P(answer) falls, against the model itself."""

from __future__ import annotations

import numpy as np
import pytest

from factneurons.editing.build import edit
from factneurons.experiments.study import Around
from factneurons.experiments.suite.critical_checks import (
    CHANGED,
    EXPERIMENT,
    FELL,
    LOOKED_FOR,
    MEASURES,
    NEGATED,
    OWN,
    SUPPRESS,
    WRITTEN,
)
from factneurons.experiments.suite.update_and_erase import new_answer
from factneurons.facts.negating import negated
from factneurons.facts.words import names_one_of
from factneurons.models.generation import generate


@pytest.fixture(scope="module")
def found(editable, measured_by):
    return measured_by(EXPERIMENT, editable, editable.facts[0])


def test_critical_checks(editable, found):
    fact = editable.facts[0]
    places = {place for condition, measure, place in found if measure == "success rate"}
    assert places <= set(LOOKED_FOR)
    assert {OWN, WRITTEN} <= places
    neurons = editable.knowledge(fact, "amig").neurons
    _, tested = editable.halves(fact)
    before = editable.model.probabilities(tested)
    with edit(editable.model, fact, kind="suppress", neurons=neurons).on(editable.model):
        after = editable.model.probabilities(tested)
    assert found["suppress", "effect", FELL] == np.mean(after < before)


def test_written_and_negated_are_what_the_edited_model_says(capitals, measured_by):
    model, around, fact = capitals.model, Around(capitals), capitals.facts[0]
    found = measured_by(EXPERIMENT, capitals, fact)
    _, tested = capitals.halves(fact)
    new = new_answer(capitals, around, fact, one_token=False)
    made = edit(model, fact, to=new, neurons=capitals.knowledge(fact, "dai").neurons, relation=around.neighbours(fact))
    opposite = [prompt for query in tested if (prompt := negated(query.prompt, "en")) is not None]
    with made.on(model):
        texts = generate(model, [query.prompt for query in tested])
        ranks = [each.rank for each in model.evaluate([model.query(prompt, new) for prompt in opposite])]
    assert found["least change", "success rate", WRITTEN] == np.mean([names_one_of(text, [new]) for text in texts])
    assert opposite
    assert found["least change", "success rate", NEGATED] == np.mean([rank == 1 for rank in ranks])
    before = model.evaluate([model.query(prompt, fact.answer) for prompt in opposite])
    assert found["before", "negation overlooked", ""] == np.mean([each.rank == 1 for each in before])


def test_no_prediction_changes_without_a_fall_of_the_answer_that_came_first(found):
    """Of facts whose answer comes first everywhere, a prediction changes only where P(answer) falls."""
    told = {"left out", "negation overlooked", "agreement kept", "agreement pairs left out"}
    assert set(MEASURES) - told <= {measure for _, measure, _ in found}
    assert 0 <= found[SUPPRESS, "effect", CHANGED] <= found[SUPPRESS, "effect", FELL] <= 1
