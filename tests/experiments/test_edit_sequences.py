"""Edits made in a row, against making them one by one by hand."""

from __future__ import annotations

import numpy as np
import pytest

import factneurons as fn
from factneurons.editing.build import edit
from factneurons.errors import NotAskable
from factneurons.experiments import edit_sequences
from factneurons.experiments.edit_sequences import KEPT, NONE, SUCCESS, WRITES, Change, EditSequences
from factneurons.experiments.experiment import RANDOM_FOR
from factneurons.experiments.settings import ExperimentSettings
from factneurons.experiments.study import Around, Study

TO = {"continent": "Asia", "capital": "Rome"}


@pytest.fixture(scope="module")
def study():
    facts = [
        *fn.load_facts("bundled?relation=continent&lang=en&limit=6"),
        *fn.load_facts("bundled?relation=capital&lang=en&limit=6"),
    ]
    return Study(
        fn.load_model("pocket-gpt2", device="cpu"), facts, ExperimentSettings(methods=("dai",), draws=1, unrelated=2)
    )


@pytest.fixture(scope="module")
def sequences(study):
    def changes(fact):
        if fact.answer == TO[fact.relation]:
            raise NotAskable("no-other-answer", "x")
        return [Change("least change", "least-change", study.knowledge(fact, "dai").neurons[:20], TO[fact.relation])]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(edit_sequences, "LENGTHS", (1, 2, 4))
        yield EditSequences(study, Around(study), changes)


def test_the_numbers_are_those_of_edits_made_by_hand(sequences, study):
    before = {name: each.clone() for name, each in study.model.backbone.module.state_dict().items()}
    rows = {fact.key: {(m.condition, m.measure, m.place): m.value for m in sequences.of(fact)} for fact in study.facts}
    after = study.model.backbone.module.state_dict()
    assert all(each.equal(after[name]) for name, each in before.items())
    order = list(sequences._in("en"))
    by_key = {fact.key: fact for fact in study.facts}
    pair = [by_key[key] for key in order[:2]]
    made = []
    try:
        for fact in pair:
            (change,) = sequences._in("en")[fact.key]
            relation = [other for other in Around(study).neighbours(fact) if other not in pair]
            made.append(
                edit(study.model, fact, kind="least-change", to=change.new, neurons=change.neurons, relation=relation)
            )
            made[-1].apply(study.model)
        for fact in pair:
            prompts = [query.prompt for query in study.halves(fact)[1]]
            ranks = study.model.evaluate([study.model.query(prompt, TO[fact.relation]) for prompt in prompts])
            texts = fn.generate(study.model, prompts)
            found = rows[fact.key]
            assert found["least change", SUCCESS, "2"] == np.mean([each.rank == 1 for each in ranks])
            assert found["least change", WRITES, "2"] == np.mean([TO[fact.relation] in text for text in texts])
            assert (f"{RANDOM_FOR}least change", SUCCESS, "2") in found
            others = [query for other, query in study.unrelated(fact)[0] if other not in pair]
            assert ((f"{RANDOM_FOR}least change", KEPT, "2") in found) == bool(others)
    finally:
        for each in reversed(made):
            each.undo(study.model)


def test_facts_that_fill_no_sequence_are_told(sequences, study):
    order = list(sequences._in("en"))
    assert len(order) >= 4
    assert len(order) % 4  # so that some are in no sequence of 4
    for fact in study.facts:
        told = {m.place for m in sequences.of(fact) if m.measure == NONE}
        places = {m.place for m in sequences.of(fact) if m.measure == SUCCESS}
        if fact.key not in order:
            assert not told | places
            continue
        assert told | places == {"1", "2", "4"}
        assert not told & places
        assert ("4" in told) == (order.index(fact.key) >= len(order) // 4 * 4)
