"""A bundled model, a few facts in two languages, and how the numbers of an experiment are looked up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import factneurons as fn
from factneurons.experiments.settings import ExperimentSettings
from factneurons.experiments.study import Study

TOP = 6


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def model():
    return fn.load_model("pocket-gpt2", device="cpu")


@pytest.fixture(scope="session")
def few():
    return ExperimentSettings(methods=("dai",), draws=2, unrelated=1)


@pytest.fixture(scope="session")
def facts():
    """Two facts of two relations, in English and Chinese."""
    return [
        *fn.load_facts("bundled?relation=capital&limit=4"),
        *fn.load_facts("bundled?relation=animal_class&limit=4"),
    ]


class Sharing(Study):
    """A study in which the languages of every fact share two neurons, the second and third best."""

    def knowledge(self, fact, method):
        known = super().knowledge(fact, method)
        english = super().knowledge(self.languages(fact)["en"], method)
        neurons = (known.neurons[0], *english.neurons[1:3], *known.neurons[1:TOP])
        neurons = tuple(dict.fromkeys(neurons))
        return replace(known, neurons=neurons, scores=tuple(1.0 / (1 + place) for place in range(len(neurons))))


@pytest.fixture(scope="session")
def sharing(model, facts, few):
    return Sharing(model, facts, few)


@pytest.fixture(scope="session")
def editable():
    """A study of facts that can be asked backwards, with AMIG's neurons."""
    facts = [
        *fn.load_facts("bundled?relation=chemical_symbol&lang=en&limit=6"),
        *fn.load_facts("bundled?relation=chemical_symbol&lang=en&reverse=only&limit=6"),
        *fn.load_facts("bundled?relation=continent&lang=en&limit=4"),
    ]
    settings = ExperimentSettings(methods=("amig",), draws=1, unrelated=1)
    return Study(fn.load_model("pocket-gpt2", device="cpu"), facts, settings)


@pytest.fixture(scope="session")
def capitals(model):
    """A study of facts whose statements are judged."""
    facts = list(fn.load_facts("bundled?relation=capital&lang=en&limit=8"))
    return Study(model, facts, ExperimentSettings(methods=("dai",), draws=2))


@pytest.fixture(scope="session")
def measured_by():
    """measured_by(experiment, study, fact): (condition, measure, place) -> value; no number comes twice."""

    def measured(experiment, study, fact):
        rows = list(experiment.prepare(study)(fact))
        found = {(row.condition, row.measure, row.place): row.value for row in rows}
        assert len(found) == len(rows)
        assert {row.measure for row in rows} <= set(experiment.measures)
        assert all(np.isfinite(row.value) for row in rows)
        return found

    return measured
