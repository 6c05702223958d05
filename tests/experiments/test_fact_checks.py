"""E4 and E8 on a bundled model and a few facts: every condition, the two texts, and who is left out."""

import numpy as np
import pytest
import torch

from factneurons.errors import BadSetting, NotAskable
from factneurons.experiments.fact_checks import MEASURES, SUMMARIES, FactChecks
from factneurons.experiments.settings import ExperimentSettings
from factneurons.experiments.study import Study
from factneurons.experiments.suite import EXPERIMENTS
from factneurons.facts.source import load_facts
from factneurons.facts.types import Fact, Prompt
from factneurons.models.load import load_model

SETTINGS = ExperimentSettings(methods=("dai",), draws=2)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def study():
    return Study(load_model("pocket-gpt2"), list(load_facts("bundled?relation=capital&lang=en&limit=8")), SETTINGS)


def measured(study, name):
    work = EXPERIMENTS[name].prepare(study)
    found, left_out = {}, []
    for fact in study.facts:
        try:
            found[fact.id] = list(work(fact))
        except NotAskable as error:
            left_out.append(error.reason)
    return found, left_out


@pytest.mark.parametrize(("name", "places"), [("E4", {""}), ("E8", {"simple", "complex"})])
def test_only_facts_of_held_out_subjects_are_judged(study, name, places):
    found, left_out = measured(study, name)
    assert len(found) == 2
    assert left_out == ["for-training"] * 6
    for rows in found.values():
        assert {row.place for row in rows} == places
        assert {"knowledge", "random for degenerate", "asking", "probability"} <= {row.condition for row in rows}
        for row in rows:
            assert row.measure in MEASURES
            assert np.isfinite(row.value)
        right = {(row.condition, row.place): row.value for row in rows if row.measure == "right verdicts"}
        simple = "" if name == "E4" else "simple"
        assert right["asking", simple] == right["probability", simple] == 1
    claimed = {claim.condition for claim in EXPERIMENTS[name].claims}
    assert claimed <= {"degenerate", "knowledge", "asking"}


def test_nothing_known_nothing_fitted(study):
    unknown = Fact("x", "capital", "Atlantis", "Foo", "en", (Prompt("The capital of Atlantis is ___."),))
    with pytest.raises(BadSetting, match="the model knows none of the training facts"):
        FactChecks(Study(study.model, [unknown], SETTINGS))


def test_summaries():
    f1, precision, auroc = (each.statistic for each in SUMMARIES)
    values = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0]])  # found right statements, believed wrong ones
    assert f1(values) == pytest.approx(2 * 2 / (2 * 2 + 1 + 1))
    assert precision(values) == pytest.approx(2 / 3)
    assert precision(np.zeros((2, 2))) == 0
    assert auroc(np.array([[0.9, 0.1], [0.8, 0.2]])) == 1
