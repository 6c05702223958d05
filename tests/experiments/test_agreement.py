"""The syntactic control: its pairs, and what suppressing their neurons does, against the model itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import factneurons as fn
from factneurons.editing.build import edit
from factneurons.experiments.agreement import AGREEMENT, AgreementControl, pairs
from factneurons.experiments.experiment import RANDOM_FOR
from factneurons.experiments.settings import ExperimentSettings
from factneurons.experiments.study import Study

STORIES = Path(__file__).parents[3] / "shared" / "data" / "models" / "stories260k"


@pytest.mark.parametrize("stop", ["", "."])
def test_pairs_are_minimal(stop):
    found = pairs(stop)
    assert len({pair.fact.id for pair in found}) == len(found) == 88
    for pair in found:
        assert pair.wrong != pair.fact.answer
        singular = pair.fact.relation.endswith("singular")
        for prompt in pair.fact.prompts:
            assert f" {pair.wrong.removesuffix(stop)}" in prompt.left
            assert prompt.right == ("" if stop else ".")
            assert prompt.left.split()[-1] in (("this", "that") if singular else ("these", "those"))
    opposite = {pair.fact.answer: pair.wrong for pair in found}
    assert all(opposite[wrong] == right for right, wrong in opposite.items())


@pytest.mark.skipif(not STORIES.is_dir(), reason="the pretrained model is not here")
def test_a_model_of_stories_prefers_more_right_forms_than_chance():
    """Trained on English by others; pieces of words are its vocabulary, so no pair is left out for want of a word."""
    facts = list(fn.load_facts("bundled?relation=continent&lang=en&limit=2"))
    study = Study(fn.load_model(str(STORIES), device="cpu"), facts, ExperimentSettings(methods=("dai",), draws=1))
    told = {(m.measure, m.place): m.value for m in AgreementControl(study).of(facts[0])}
    assert told["agreement pairs", ""] > 44
    assert {place for measure, place in told if measure == "agreement pairs left out"} <= {"not-preferred"}


@pytest.fixture(scope="module")
def study():
    facts = list(fn.load_facts("bundled?relation=continent&lang=en&limit=40"))
    return Study(fn.load_model("pocket-gpt2", device="cpu"), facts, ExperimentSettings(methods=("dai",), draws=2))


@pytest.fixture(scope="module")
def control(study):
    return AgreementControl.of_study(study)


def test_only_pairs_whose_right_form_is_preferred_and_each_once(control, study):
    told = {(m.measure, m.place): m.value for m in control.of(study.facts[0])}
    left_out = sum(value for (measure, _), value in told.items() if measure == "agreement pairs left out")
    assert told["agreement pairs", ""] + left_out == len(pairs())
    assert left_out  # this model never read such sentences
    dealt = [pair.fact.id for pair in control._next.values()]
    assert len(set(dealt)) == len(dealt) == min(len(study.facts), told["agreement pairs", ""])
    for pair in list(control._next.values())[:3]:
        located = study.halves(pair.fact)[0]
        right = study.model.log_probabilities(located)
        wrong = study.model.log_probabilities([study.model.query(query.prompt, pair.wrong) for query in located])
        assert np.mean(right) > np.mean(wrong)


def test_numbers_are_the_models(control, study):
    model = study.model
    rows = {}
    for fact in study.facts:
        rows = {(m.condition, m.measure, m.place): m.value for m in control.of(fact)}
        if (AGREEMENT, "log P", "") in rows:
            break
    pair = control._next[fact.key]
    tested = study.halves(pair.fact)[1]
    wrong = [model.query(query.prompt, pair.wrong) for query in tested]
    before = model.log_probabilities(tested)
    assert rows["before", "agreement kept", ""] == np.mean(before > model.log_probabilities(wrong))
    with edit(model, pair.fact, kind="suppress", neurons=study.knowledge(pair.fact, "dai").neurons).on(model):
        after = model.log_probabilities(tested)
        kept = np.mean(after > model.log_probabilities(wrong))
    assert rows[AGREEMENT, "log P", ""] == pytest.approx(np.mean(after - before), abs=1e-4)
    assert rows[AGREEMENT, "agreement kept", ""] == kept
    assert rows[AGREEMENT, "effect", "P(answer) fell"] == np.mean(after < before)
    assert (f"{RANDOM_FOR}{AGREEMENT}", "effect", "prediction changed") in rows
