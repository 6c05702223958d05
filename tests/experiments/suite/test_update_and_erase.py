"""E12 against what the edited model itself says."""

from __future__ import annotations

import numpy as np
import pytest

from factneurons.editing.build import edit
from factneurons.errors import NotAskable
from factneurons.experiments.experiment import RANDOM_FOR
from factneurons.experiments.suite.update_and_erase import EXPERIMENT, new_answer
from factneurons.facts.related import RelatedFacts


@pytest.fixture(scope="module")
def fact(editable):
    """The first fact whose answer is one token, and that can be updated."""
    around = RelatedFacts(editable.facts)
    for each in editable.facts:
        try:
            editable.require_known(each)
            editable.knowledge(each, "amig")
            new_answer(editable, around, each)
        except NotAskable:
            continue
        return each
    raise AssertionError("none")


def test_update_and_erase(editable, fact, measured_by):
    found = measured_by(EXPERIMENT, editable, fact)
    around = RelatedFacts(editable.facts)
    new = new_answer(editable, around, fact)
    first, tested = editable.halves(fact)
    every = editable.knowledge(fact, "amig").neurons
    others = []
    for other in around.neighbours(fact):
        try:
            others.append(set(editable.knowledge(other, "amig").neurons))
        except NotAskable:  # it has no knowledge neurons
            others.append(set())
    own = [neuron for neuron in every if sum(neuron in each for each in others) <= 0.1 * len(others)]
    assert found["update", "neurons dropped", ""] == pytest.approx(1 - len(own) / len(every))
    assert found["update", "facts behind the filter", ""] == len(others)
    assert found["update", "too few facts to filter", ""] == 1
    for condition, neurons in (("update", own), ("update, all neurons", every)):
        if not neurons:
            assert (condition, "size", "") not in found
            continue
        made = edit(editable.model, fact, to=new, neurons=neurons, kind="update-paper")
        assert made.description.prompts == tuple(query.prompt.text for query in first)
        with made.on(editable.model):
            asked = [editable.model.query(query.prompt, new) for query in tested]
            ranks = [each.rank for each in editable.model.evaluate(asked)]
        assert found[condition, "success rate", ""] == np.mean([rank == 1 for rank in ranks])
        assert found[condition, "size", ""] == pytest.approx(made.size)
    assert found["least change", "size", ""] < found[f"{RANDOM_FOR}least change", "size", ""] * 100
    for condition in ("erase relation", f"{RANDOM_FOR}erase relation"):
        assert found[condition, "erased, own relation", ""] >= -1
    looked_at = sum(each.relation == fact.relation and each.language == fact.language for each in editable.facts)
    left_out = sum(value for (_, measure, _), value in found.items() if measure == "facts left out of the set")
    assert found["erase relation", "facts behind the set", ""] + left_out == min(looked_at, 20)


def test_an_answer_of_several_tokens_is_left_out(editable):
    around = RelatedFacts(editable.facts)
    several = next(
        (each for each in editable.facts if len(editable.queries(each)[0].answer_ids) > 1), None
    )  # fmt: skip
    assert several is not None
    with pytest.raises(NotAskable) as caught:
        new_answer(editable, around, several)
    assert caught.value.reason == "several-answer-tokens"
