"""Inputs of the degeneracy tests: the worked example, random distances, and a model made of a formula."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from factneurons.attribution.drops import Drops
from factneurons.attribution.types import KnowledgeNeurons
from factneurons.degeneracy.clusterers.base import Context
from factneurons.facts.types import Fact, Prompt
from factneurons.models.questions import Asking, Question, Reading, answered, knowing
from factneurons.models.types import Neuron, Query

FloatArray = npt.NDArray[np.float64]
Formula = Callable[[str, frozenset[Neuron]], float]


@dataclass(frozen=True)
class Worked:
    """Five neurons: a and c in layer 0, b and d in layer 1, e in layer 2."""

    neurons: tuple[Neuron, ...]
    out_weights: FloatArray
    in_weights: FloatArray
    distances: FloatArray


@pytest.fixture
def worked() -> Worked:
    a, b, c, d, e = range(5)
    layers = (0, 1, 0, 1, 2)
    neurons = tuple(Neuron(layer, 10 + place) for place, layer in enumerate(layers))
    out, read = np.zeros((5, 3)), np.zeros((5, 1, 3))
    read[b, 0, 0] = read[d, 0, 1] = read[e, 0, 2] = 1
    out[a] = (10, -0.1, 0)
    out[c] = (0.05, 5, 0)
    out[b] = (0, 0, -0.5)
    out[d] = (0, 0, 0.25)
    distances = np.full((5, 5), np.inf)
    for first, second, distance in [
        (a, b, 0.1), (c, d, 0.2), (b, e, 2), (d, e, 4), (a, d, 10), (c, b, 20), (a, e, 2.1), (c, e, 4.2)
    ]:  # fmt: skip
        distances[first, second] = distances[second, first] = distance
    np.fill_diagonal(distances, 0)
    return Worked(neurons, out, read, distances)


@pytest.fixture(scope="session")
def random_distances() -> Callable[..., FloatArray]:
    """Symmetric distances in steps of a quarter (so many are equal), some infinite, some 0 if wanted."""

    def make(seed: int, count: int = 12, *, levels: int = 6, infinite: float = 0.3, least: int = 1) -> FloatArray:
        rng = np.random.default_rng(seed)
        upper = rng.integers(least, least + levels, (count, count)) / 4.0
        upper[rng.random((count, count)) < infinite] = np.inf
        lower = np.tril_indices(count)
        upper[lower] = 0
        return np.where(np.tri(count, dtype=bool), upper.T, upper)

    return make


@pytest.fixture(scope="session")
def context_of() -> Callable[..., Context]:
    """What a clusterer is given: distances between neurons of layers 0, 1, 2, 0, 1, 2 ... and other losses."""

    def make(distances: FloatArray, *, drop: Callable[[frozenset[Neuron]], float] = len, seed: int = 0) -> Context:
        count = len(distances)
        neurons = tuple(sorted(Neuron(place % 3, 100 + place) for place in range(count)))
        drops = Drops(lambda sets: knowing(np.array([[0.9 * (1 - drop(frozenset(each))) for each in sets]])))
        return Context(distances, neurons, (1.0,) * count, drops, np.random.default_rng(seed), (1000,) * 100)

    return make


@dataclass
class FormulaModel:
    """A model whose P(answer) is a formula of (prompt, active neurons); it counts what it is asked."""

    groups: Sequence[Sequence[Neuron]]
    formula: Formula
    tightness: float = 2.0
    calls: list[int] = field(default_factory=list)
    layer_count: int = 3
    width: int = 200
    widths: Sequence[int] = (200, 200, 200)

    def _vectors(self, neurons: Sequence[Neuron]) -> FloatArray:
        vectors = np.zeros((len(neurons), len(self.groups) + 1))
        for row, neuron in enumerate(neurons):
            vectors[row, 0] = 0.1
            for place, group in enumerate(self.groups):
                if neuron in group:
                    vectors[row, place + 1] = self.tightness
        return vectors

    def out_weights(self, neurons: Sequence[Neuron]) -> FloatArray:
        return self._vectors(neurons)

    def in_weights(self, neurons: Sequence[Neuron]) -> FloatArray:
        return self._vectors(neurons)[:, None]

    @property
    def backbone(self) -> FormulaModel:
        return self

    def in_encoder(self, layer: int) -> bool:
        return False

    def norm_gain(self, layer: int) -> FloatArray:
        return np.ones(len(self.groups) + 1)

    def probabilities_with(
        self, queries: Sequence[Query], neuron_sets: Sequence[Collection[Neuron]], factor: float = 0.0
    ) -> FloatArray:
        assert factor == 0.0
        self.calls.append(len(neuron_sets))
        return np.array(
            [[self.formula(query.prompt.text, frozenset(neurons)) for neurons in neuron_sets] for query in queries]
        )

    def _answer(self, asked: Question | Reading) -> FloatArray:
        """Whatever is suppressed, every neuron keeps the value 1: none works through another."""
        if isinstance(asked, Reading):
            return np.ones((len(asked.queries), len(asked.neuron_sets), len(asked.neurons)))
        return self.probabilities_with(asked.queries, asked.neuron_sets)

    def answer(self, searches: Iterable[Asking[Any]]) -> list[Any]:
        return [answered(search, self._answer) for search in searches]


@pytest.fixture
def formula_model() -> Callable[..., FormulaModel]:
    return FormulaModel


@pytest.fixture
def known_neurons() -> Callable[..., KnowledgeNeurons]:
    """Knowledge neurons of an invented fact."""

    def make(
        neurons: Sequence[Neuron], *, id: str = "capital/foo", language: str = "en", prompts: int = 1
    ) -> KnowledgeNeurons:
        asked = tuple(Prompt(f"Prompt {number} about Fooland: ___") for number in range(prompts))
        fact = Fact(id, "capital", "Fooland", "Bar", language, asked)
        queries = tuple(Query(prompt, "Bar", (1, 2), (1,), (3,), (0, 1), ((0,), (1,))) for prompt in asked)
        count = len(neurons)
        return KnowledgeNeurons(
            fact, tuple(neurons), (1.0,) * count, (1.0,) * count, queries, "amig", 0.3, prompts > 1, 0.9, 1
        )

    return make


@pytest.fixture
def blocks() -> Callable[..., list[list[Neuron]]]:
    """Disjoint groups of neurons of given sizes, each spread over layers 0 and 1."""

    def make(*sizes: int) -> list[list[Neuron]]:
        starts = np.cumsum((0, *sizes)).tolist()
        return [
            [Neuron(number % 2, start + number) for number in range(size)]
            for start, size in zip(starts, sizes, strict=False)
        ]

    return make
