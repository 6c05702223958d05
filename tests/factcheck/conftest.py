"""A bundled model and a few facts it knows, with neurons that are given, so that nothing need be searched for."""

import pytest
import torch

from factneurons.factcheck.checker import FactChecker
from factneurons.factcheck.conditions import CONDITIONS
from factneurons.facts.source import load_facts
from factneurons.models.load import load_model
from factneurons.models.types import Neuron

GROUP = ("capital", "en")


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def gpt2():
    return load_model("pocket-gpt2")


@pytest.fixture(scope="session")
def bert():
    return load_model("pocket-bert")


@pytest.fixture(scope="session")
def capitals():
    return list(load_facts("bundled?relation=capital&lang=en&limit=12"))


@pytest.fixture(scope="session")
def neurons():
    """Sets of neurons of three facts; (2, 296) is in all of them, (3, 130) in two."""
    return {GROUP: [[Neuron(2, 296), Neuron(3, 130)], [Neuron(2, 296), Neuron(3, 130)], [Neuron(2, 296), Neuron(0, 5)]]}


@pytest.fixture(scope="session")
def fitted(gpt2, capitals, neurons):
    """Condition -> a checker, fitted on eight facts with given neurons."""
    return {name: FactChecker(gpt2, condition=name).fit(capitals[:8], neurons=neurons) for name in CONDITIONS}


@pytest.fixture(scope="session")
def statements(gpt2, capitals):
    cases = FactChecker(gpt2).cases(capitals[8:])
    return [statement for case in cases for statement in (case.true, case.false)]
