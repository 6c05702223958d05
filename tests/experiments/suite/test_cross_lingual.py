"""E2 against what the model itself says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import factneurons as fn
from factneurons.editing.build import edit
from factneurons.errors import BadSetting, NotAskable
from factneurons.experiments.experiment import RANDOM_FOR
from factneurons.experiments.study import Study
from factneurons.experiments.suite.cross_lingual import (
    ALL,
    CUT,
    EXPERIMENT,
    IN_TURN,
    OTHER,
    OWN,
    SHARED,
    SHARED_WEIGHTS,
)
from factneurons.models.types import Neuron


@pytest.fixture(scope="module")
def values(sharing, facts, measured_by):
    return measured_by(EXPERIMENT, sharing, facts[0])


def test_the_numbers_are_the_models(values, sharing, model, facts):
    known = {f.language: sharing.knowledge(f, "dai").neurons for f in sharing.languages(facts[0]).values()}
    shared = set(known["en"]) & set(known["zh"])
    assert shared
    _, tested = sharing.halves(facts[0])
    before = model.probabilities(tested).mean()
    for condition, place, neurons in [
        (SHARED, "", shared),
        (OWN, "", known["en"]),
        (OTHER, "zh", known["zh"]),
        (ALL, "", set(known["en"]) | set(known["zh"])),
    ]:
        after = np.mean([model.probabilities_with([query], [sorted(neurons)])[0][0] for query in tested])
        assert values[condition, "related, suppress", place] == pytest.approx(after / before - 1, abs=1e-4)
        assert values[condition, "neurons", place] == len(neurons)
    assert values[CUT, "neurons", "zh"] == len(shared)


def test_weights_are_changed_in_turn(values, sharing, model, facts):
    """What both languages have is doubled twice, so the second edit stands on the first."""
    known = {f.language: sharing.knowledge(f, "dai").neurons for f in sharing.languages(facts[0]).values()}
    _, tested = sharing.halves(facts[0])
    before = model.probabilities(tested).mean()
    assert set(known["en"]) & set(known["zh"])
    state = {name: each.clone() for name, each in model.backbone.module.state_dict().items()}
    for action in ("suppress", "enhance"):
        first = edit(model, facts[0], kind=action, neurons=known["en"])
        with first.on(model):
            second = edit(model, facts[0], kind=action, neurons=known["zh"])
            with second.on(model):
                after = model.probabilities(tested).mean()
        assert values[IN_TURN, f"related, {action}", ""] == pytest.approx(after / before - 1, abs=1e-4)
        with edit(model, facts[0], kind=action, neurons=sorted(set(known["en"]) & set(known["zh"]))).on(model):
            after = model.probabilities(tested).mean()
        assert values[SHARED_WEIGHTS, f"related, {action}", ""] == pytest.approx(after / before - 1, abs=1e-4)
    assert values[IN_TURN, "neurons", ""] == len(set(known["en"]) | set(known["zh"]))
    assert all(each.equal(state[name]) for name, each in model.backbone.module.state_dict().items())


def test_every_condition_has_its_random_one(values):
    conditions = {condition for condition, measure, _ in values if measure == "specificity"}
    assert {f"{RANDOM_FOR}{name}" for name in conditions if not name.startswith(RANDOM_FOR)} <= conditions
    sides = {condition for condition, measure, _ in values if measure == "side effect"}
    assert sides == conditions


def test_side_effects_are_mean_sizes(values):
    both = [abs(values[SHARED, f"unrelated, {action}", ""]) for action in ("suppress", "enhance")]
    assert values[SHARED, "side effect", ""] == pytest.approx(np.mean(both))


def test_facts_that_are_left_out(model, facts, few):
    work = EXPERIMENT.prepare(Study(model, facts[:3], few))
    with pytest.raises(NotAskable, match="is not there in zh") as error:
        list(work(facts[2]))
    assert error.value.reason == "language-missing"
    strange = Study(model, facts[:2], few)
    strange.knowledge = lambda fact, method: replace(  # type: ignore[method-assign]
        fn.locate(model, [fact], method="activation")[0],
        neurons=(Neuron(0, "en zh".index(fact.language)),),
        scores=(1.0,),
    )
    with pytest.raises(NotAskable, match="share no knowledge neuron") as error:
        list(EXPERIMENT.prepare(strange)(facts[0]))
    assert error.value.reason == "nothing-shared"


def test_one_language(model, facts, few):
    with pytest.raises(BadSetting, match="these facts are in en only"):
        EXPERIMENT.prepare(Study(model, facts[:1], few))
