"""E12 against what the edited model itself says."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from factneurons.editing.build import edit
from factneurons.editing.held_out import statement_queries
from factneurons.errors import NotAskable
from factneurons.experiments import edit_sequences
from factneurons.experiments.edit_sequences import SUCCESS, WRITES
from factneurons.experiments.experiment import RANDOM_FOR
from factneurons.experiments.study import Around
from factneurons.experiments.suite.update_and_erase import EXPERIMENT, _Erasing, new_answer
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


@pytest.fixture(scope="module")
def found(editable, fact, measured_by):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(edit_sequences, "LENGTHS", (1,))
        return measured_by(EXPERIMENT, editable, fact)


def test_one_edit_in_a_row_is_one_edit(found):
    for condition in ("update", "least change", f"{RANDOM_FOR}least change"):
        for alone, in_a_row in (("success rate", SUCCESS), ("writes new answer", WRITES)):
            assert found[condition, in_a_row, "1"] == found[condition, alone, ""]


def test_update_and_erase(editable, fact, found):
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
            after = np.mean(editable.model.log_probabilities(asked))
        assert found[condition, "success rate", ""] == np.mean([rank == 1 for rank in ranks])
        assert found[condition, "size", ""] == pytest.approx(made.size)
        before = np.mean(editable.model.log_probabilities(asked))
        assert found[condition, "new answer, log P", ""] == pytest.approx(after - before, abs=1e-4)
    assert found["least change", "size", ""] < found[f"{RANDOM_FOR}least change", "size", ""] * 100
    for condition in ("erase relation", f"{RANDOM_FOR}erase relation"):
        assert found[condition, "erased, own relation", ""] >= -1
    assert found["unrelated facts", "asked", ""] == 1
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


def test_erasing_is_told_as_every_change_is(editable, fact, found):
    """P is averaged over the fact's prompts first, log P over their changes."""
    model = editable.model
    around = [each for each in editable.facts if (each.relation, each.language) == (fact.relation, fact.language)]
    counts = Counter()
    for each in around[:20]:
        try:
            counts.update(editable.knowledge(each, "amig").neurons)
        except NotAskable:
            continue
    neurons = sorted(counts, key=lambda neuron: (-counts[neuron], neuron))[:20]
    others, _ = editable.unrelated(fact)
    for place, queries in (
        ("own relation", editable.halves(fact)[1]), ("other relations", [query for _, query in others])
    ):  # fmt: skip
        before = model.log_probabilities(queries)
        with edit(model, fact, kind="suppress", neurons=neurons).on(model):
            after = model.log_probabilities(queries)
        assert found["erase relation", f"erased log P, {place}", ""] == pytest.approx(np.mean(after - before), abs=1e-4)
        relative = np.exp(after).mean() / np.exp(before).mean() - 1
        assert found["erase relation", f"erased, {place}", ""] == pytest.approx(relative, abs=1e-4)


def test_erasing_is_told_with_accuracy_and_perplexity(editable, fact, found):
    model = editable.model
    tested, others = editable.halves(fact)[1], editable.unrelated(fact)[0]
    assert found["before", "accuracy", "own relation"] == np.mean([each.rank == 1 for each in model.evaluate(tested)])
    statement = tested[0].prompt.filled(fact.answer)
    (whole,) = statement_queries(model, statement)
    neurons = _Erasing(editable)._of(fact)[0]
    before = model.log_probabilities([whole])[0]
    with edit(model, fact, kind="suppress", neurons=neurons).on(model):
        right = np.mean([each.rank == 1 for each in model.evaluate(tested)])
        kept = np.mean([each.rank == 1 for each in model.evaluate([query for _, query in others])])
        after = model.log_probabilities([whole])[0]
    assert found["erase relation", "accuracy", "own relation"] == right
    assert found["erase relation", "accuracy", "other relations"] == kept
    lost = found["before", "accuracy", "own relation"] - right
    assert found["erase relation", "accuracy lost", "own relation"] == pytest.approx(lost)
    surprise = (before - after) / len(whole.answer_ids)
    assert found["erase relation", "erased surprise", "own relation"] == pytest.approx(surprise, abs=1e-4)
    assert (f"{RANDOM_FOR}erase relation", "erased surprise", "other relations") in found


def test_unrelated_facts_of_edits_are_known(editable, fact):
    known = [each for each in editable.facts if each.relation == "continent" and editable.knows(each)]
    assert Around(editable).unrelated(fact) == known
