"""E9: changed neurons against a plain loop, overlaps against counting."""

from __future__ import annotations

from dataclasses import replace
from math import comb

import numpy as np
import pytest

import factneurons as fn
from factneurons.errors import NotAskable
from factneurons.experiments.settings import ExperimentSettings
from factneurons.experiments.study import Study
from factneurons.experiments.suite import overlap
from factneurons.experiments.suite.overlap import EXPERIMENT, TOP, chance_of, changed_sets, changes
from factneurons.models.types import Neuron


def test_change_is_that_of_in_and_out_weights():
    numbers = np.random.default_rng(0)
    before = numbers.normal(size=(5, 2, 3)), numbers.normal(size=(5, 3))
    after = tuple(each + 0.1 * numbers.normal(size=each.shape) for each in before)
    found = changes(before, after)
    for neuron in range(5):
        parts = []
        for old, new in zip(before, after, strict=True):
            moved = sum((b - a) ** 2 for a, b in zip(old[neuron].flat, new[neuron].flat, strict=True)) ** 0.5
            parts.append(moved / sum(a**2 for a in old[neuron].flat) ** 0.5)
        assert found[neuron] == pytest.approx((parts[0] ** 2 + parts[1] ** 2) ** 0.5)


def test_changed_sets_are_the_most_changed_and_those_above_a_threshold():
    neurons = [Neuron(0, index) for index in range(200)]
    change = np.linspace(0, 0.0995, 200)
    found = changed_sets(neurons, change)
    assert found[TOP] == {Neuron(0, 199), Neuron(0, 198)}
    assert len(found["top 10 %"]) == 20
    assert found["theta 0.05"] == {Neuron(0, index) for index in range(200) if change[index] > 0.05}


def test_the_chance_of_an_overlap():
    expected = sum(comb(4, hits) * comb(16, 5 - hits) for hits in (2, 3, 4)) / comb(20, 5)
    assert chance_of(2, 5, 4, 20) == pytest.approx(expected)
    assert chance_of(0, 5, 4, 20) == 1


@pytest.fixture(scope="module")
def study(model):
    facts = list(fn.load_facts("bundled?relation=capital&lang=en&limit=4"))
    return Study(model, facts, ExperimentSettings(methods=("amig",), draws=2))


def test_the_numbers_of_a_fact(study, measured_by):
    before = study.model.out_weights([(0, 0), (3, 7)])
    found = measured_by(EXPERIMENT, study, study.facts[0])
    assert np.array_equal(study.model.out_weights([(0, 0), (3, 7)]), before)
    assert found["all", "learned", ""] > 0.9
    size = len(study.knowledge(study.facts[0], "amig").neurons)
    overlap = found["knowledge", "overlap", TOP]
    assert overlap * size == pytest.approx(round(overlap * size))
    assert found["knowledge", "lift", TOP] == pytest.approx(overlap / (round(0.01 * 2048) / 2048))
    wider = [found["knowledge", "overlap", f"top {share} %"] for share in ("0.1", "1", "5", "10", "25")]
    assert wider == sorted(wider)
    assert 0 <= found["knowledge", "union p", ""] <= 1
    assert (
        found.get(("degenerate", "left out", "no-degenerate-neurons")) == 1 or ("degenerate", "overlap", TOP) in found
    )


def test_given_facts_are_learned_and_the_others_are_compared(study, model, tmp_path, monkeypatch):
    """The same neurons, changed by other facts; what is learned is in no comparison."""
    fn.write_jsonl(study.facts[:2], tmp_path / "new.jsonl")
    other = Study(model, study.facts, replace(study.settings, new=(str(tmp_path / "new.jsonl"),)))
    learned = []
    real = overlap._fine_tuned

    def noting(study, new):
        learned.extend(new)
        return real(study, new)

    monkeypatch.setattr(overlap, "_fine_tuned", noting)
    work = EXPERIMENT.prepare(other)
    assert [fact.id for fact in learned] == [fact.id for fact in study.facts[:2]]
    assert all(fact.answer not in (old.answer, *old.aliases) for fact, old in zip(learned, study.facts, strict=False))
    with pytest.raises(NotAskable, match="fine-tuned on"):
        list(work(study.facts[0]))
    found = {(row.condition, row.measure, row.place) for row in work(study.facts[2])}
    assert ("knowledge", "overlap", TOP) in found
