"""E12 and E13 on a few bundled facts: what is measured, against what the model itself says."""

from __future__ import annotations

import numpy as np
import pytest

import factneurons as fn
from factneurons.editing.build import edit
from factneurons.editing.settings import EditSettings
from factneurons.errors import NotAskable
from factneurons.experiments.experiment import RANDOM_FOR
from factneurons.experiments.settings import ExperimentSettings
from factneurons.experiments.study import Study
from factneurons.experiments.suite import EXPERIMENTS, critical_checks, update_and_erase
from factneurons.facts.related import RelatedFacts

FEW = ExperimentSettings(methods=("amig",), draws=1, unrelated=1)


@pytest.fixture(scope="module")
def study():
    facts = [
        *fn.load_facts("bundled?relation=chemical_symbol&lang=en&limit=6"),
        *fn.load_facts("bundled?relation=chemical_symbol&lang=en&reverse=only&limit=6"),
        *fn.load_facts("bundled?relation=continent&lang=en&limit=4"),
    ]
    return Study(fn.load_model("pocket-gpt2", device="cpu"), facts, FEW)


@pytest.fixture(scope="module")
def fact(study):
    """The first fact whose answer is one token, and that can be updated."""
    around = RelatedFacts(study.facts)
    for each in study.facts:
        try:
            study.require_known(each)
            study.knowledge(each, "amig")
            update_and_erase.new_answer(study, around, each)
        except NotAskable:
            continue
        return each
    raise AssertionError("none")


def measured_by(experiment, study, fact):
    """(condition, measure, place) -> value; no number comes twice and every measure is described."""
    rows = list(experiment.prepare(study)(fact))
    found = {(row.condition, row.measure, row.place): row.value for row in rows}
    assert len(found) == len(rows)
    assert {measure for _, measure, _ in found} <= set(experiment.measures)
    assert all(np.isfinite(list(found.values())))
    return found


def test_update_and_erase(study, fact):
    found = measured_by(EXPERIMENTS["E12"], study, fact)
    around = RelatedFacts(study.facts)
    new = update_and_erase.new_answer(study, around, fact)
    first, tested = study.halves(fact)
    neurons = study.knowledge(fact, "amig").neurons
    made = edit(study.model, fact, to=new, neurons=neurons, settings=EditSettings(kind="update-paper"))
    assert made.description.prompts == tuple(query.prompt.text for query in first)
    with made.on(study.model):
        ranks = [each.rank for each in study.model.evaluate([study.model.query(q.prompt, new) for q in tested])]
    assert found["update", "success rate", ""] == np.mean([rank == 1 for rank in ranks])
    assert found["update", "size", ""] == pytest.approx(made.size)
    assert found["least change", "size", ""] < found[f"{RANDOM_FOR}least change", "size", ""] * 100
    for condition in ("erase relation", f"{RANDOM_FOR}erase relation"):
        assert found[condition, "erased, own relation", ""] >= -1


def test_critical_checks(study):
    fact = study.facts[0]
    found = measured_by(EXPERIMENTS["E13"], study, fact)
    places = {place for condition, measure, place in found if measure == "success rate"}
    assert places <= {"paraphrases", "reverse", "synonyms"}
    assert "paraphrases" in places
    neurons = study.knowledge(fact, "amig").neurons
    _, tested = study.halves(fact)
    before = study.model.probabilities(tested)
    with edit(study.model, fact, kind="suppress", neurons=neurons).on(study.model):
        after = study.model.probabilities(tested)
    assert found["suppress", "effect", critical_checks.FELL] == np.mean(after < before)


def test_claims_are_about_what_is_measured():
    for name in ("E12", "E13"):
        experiment = EXPERIMENTS[name]
        assert {claim.measure for claim in experiment.claims} <= set(experiment.measures)
        assert {measure for chart in experiment.charts for measure in chart.measures} <= set(experiment.measures)


def test_an_answer_of_several_tokens_is_left_out(study):
    around = RelatedFacts(study.facts)
    several = next(
        (each for each in study.facts if len(study.queries(each)[0].answer_ids) > 1), None
    )  # fmt: skip
    assert several is not None
    with pytest.raises(NotAskable) as caught:
        update_and_erase.new_answer(study, around, several)
    assert caught.value.reason == "several-answer-tokens"
