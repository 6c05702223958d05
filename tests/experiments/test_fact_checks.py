"""What the fact-checking experiments share: who is left out, verdicts, and the papers' measures."""

import numpy as np
import pytest
import torch

from factneurons.errors import BadSetting
from factneurons.experiments.fact_checks import SUMMARIES, FactChecks
from factneurons.experiments.settings import ExperimentSettings
from factneurons.experiments.study import Study
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


def test_nothing_known_nothing_fitted(study):
    unknown = Fact("x", "capital", "Atlantis", "Foo", "en", (Prompt("The capital of Atlantis is ___."),))
    with pytest.raises(BadSetting, match="none of the 1 training facts, and a check is fitted with at least one"):
        FactChecks(Study(study.model, [unknown], SETTINGS))


def test_summaries():
    f1, precision, auroc = (each.statistic for each in SUMMARIES)
    values = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0]])  # found right statements, believed wrong ones
    assert f1(values) == pytest.approx(2 * 2 / (2 * 2 + 1 + 1))
    assert precision(values) == pytest.approx(2 / 3)
    assert precision(np.zeros((2, 2))) == 0
    assert auroc(np.array([[0.9, 0.1], [0.8, 0.2]])) == 1
