"""E10: two sides by subject, every condition trains what it says, and answers before are those of the model."""

from __future__ import annotations

from dataclasses import replace

import pytest

import factneurons as fn
from factneurons.editing.finetuning import finetune_neurons
from factneurons.errors import NotAskable
from factneurons.experiments.settings import ExperimentSettings
from factneurons.experiments.study import Study
from factneurons.experiments.suite import partial_tuning
from factneurons.experiments.suite.partial_tuning import EXPERIMENT, NEW, OLD, REPHRASED, is_new
from factneurons.models.types import Neuron


class Planted(Study):
    """A study whose first old fact has components."""

    def degenerate(self, fact):
        return (Neuron(1, 3), Neuron(2, 5)) if not is_new(self, fact) else ()


@pytest.fixture(scope="module")
def study(model):
    facts = list(fn.load_facts("bundled?relation=capital&lang=en&limit=8"))
    return Planted(model, facts, ExperimentSettings(methods=("amig",), draws=1))


@pytest.fixture(scope="module")
def measured(study):
    trained = []

    def noting(study, new, neurons, name):
        trained.append(neurons)
        return finetune_neurons(study.model, neurons, new, epochs=2 if neurons else 20), 0.25 if neurons else 1.0

    said = "E10, degenerate: 25.0% of the trained prompts are answered rightly; the target of 99% was not reached"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(partial_tuning, "learn", noting)
        with pytest.warns(UserWarning, match=said):
            work = EXPERIMENT.prepare(study)
    return trained, {
        fact.key: {(row.condition, row.measure, row.place): row.value for row in work(fact)} for fact in study.facts
    }


def test_every_condition_trains_its_neurons(study, measured):
    trained, _ = measured
    old = [fact for fact in study.facts if not is_new(study, fact)]
    knowledge = {neuron for fact in old for neuron in study.knowledge(fact, "amig").neurons}
    degenerate, random, every, random_every, cut, whole = trained
    assert degenerate == (Neuron(1, 3), Neuron(2, 5))
    assert [neuron.layer for neuron in random] == [1, 2]
    assert set(every) == knowledge
    assert not set(random_every) & knowledge
    assert len(random_every) == len(knowledge)
    assert cut == every[:2]
    assert whole is None


def test_new_and_old_facts_have_their_own_numbers(study, measured):
    for fact in study.facts:
        rows = measured[1][fact.key]
        asked = {measure for _, measure, _ in rows} - {"neurons", "left out", "learned"}
        assert asked == ({NEW, REPHRASED} if is_new(study, fact) else {OLD})
        assert all(0 <= value <= 1 for (_, measure, _), value in rows.items() if measure in asked)
        if is_new(study, fact):
            assert rows["before", NEW, ""] == 0
            assert rows["all", NEW, ""] == 1
            assert (rows["all", "learned", ""], rows["knowledge", "learned", ""]) == (1, 0.25)
        else:
            assert rows["before", OLD, ""] > 0.5


def test_one_side_alone_is_told(model, study):
    for facts in ([f for f in study.facts if is_new(study, f)], [f for f in study.facts if not is_new(study, f)]):
        work = EXPERIMENT.prepare(Planted(model, facts, study.settings))
        with pytest.raises(NotAskable, match="take more subjects"):
            list(work(facts[0]))


def test_no_components_are_told(model, study, monkeypatch):
    monkeypatch.setattr(Planted, "degenerate", lambda self, fact: ())
    told = []
    conditions = [name for name, _ in partial_tuning._conditions(study, partial_tuning._Sides(study), told)]
    assert conditions == ["knowledge", "random for knowledge", "all"]
    assert {(row.condition, row.place) for row in told if row.measure == "left out"} == {
        ("degenerate", "no-degenerate-neurons"), ("knowledge, cut", "no-degenerate-neurons")
    }  # fmt: skip


def test_new_facts_may_be_given(study, model, tmp_path):
    new = [fact for fact in study.facts if not is_new(study, fact)][:1]
    fn.write_jsonl(new, tmp_path / "new.jsonl")
    given = Study(model, study.facts, replace(study.settings, new=(str(tmp_path / "new.jsonl"),)))
    assert [fact for fact in study.facts if is_new(given, fact)] == new
