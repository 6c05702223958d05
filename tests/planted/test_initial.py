"""Weights to begin with: a direction that tells one prompt from the others, and a neuron that fires on it alone."""

from __future__ import annotations

import pytest
import torch

from factneurons.facts.types import Fact, Prompt
from factneurons.models.types import Neuron
from factneurons.planted.initial import _read, _tasks, _Whitened
from factneurons.planted.types import PlantedComponent, PlantedFact
from factneurons.planted.widen import widened

FACT = Fact("r/a", "r", "s", "a", "en", (Prompt("s is ___."),))


@pytest.fixture
def inputs():
    generator = torch.Generator().manual_seed(0)
    mixing = torch.randn(16, 16, generator=generator)
    return torch.randn(400, 16, generator=generator) @ mixing + 2.0


def test_many_neurons_together_write_no_more_than_a_few_do():
    def written(regime, *sizes, helpers=0):
        places = iter(Neuron(1, index) for index in range(100))
        parts = tuple(PlantedComponent(tuple(next(places) for _ in range(size))) for size in sizes)
        extra = tuple(next(places) for _ in range(helpers))
        return [task[-1] for task in _tasks([PlantedFact((FACT,), regime, parts, helpers=extra)])[1]]

    assert written("redundant", 2, 3) == [1.0] * 5
    assert written("large", 12, 5) == [0.5] * 12 + [1.0] * 5
    assert written("diffuse", *[1] * 30) == pytest.approx([0.2] * 30)
    assert sum(written("helped", 2, helpers=30)) == pytest.approx(3)


def test_no_direction_tells_a_difference_better(inputs):
    """Fisher: among all directions along which it projects to 1, this one has the least variance over the inputs."""
    whitened = _Whitened(inputs)
    difference = inputs[0] - whitened.mean
    best = whitened.direction(difference)
    assert float(best @ difference) == pytest.approx(1, rel=1e-4)

    def variance(way):
        way = way.double() / float(way.double() @ difference.double())
        return float(way @ torch.linalg.inv(whitened.inverse) @ way)

    generator = torch.Generator().manual_seed(1)
    others = [best + 0.02 * torch.randn(16, generator=generator) for _ in range(20)]
    assert all(variance(best) < variance(other) for other in others)


def test_a_neuron_fires_where_it_should(architecture, base):
    """Its own input gives about 6 - 2 at the activation, the others' mean gives no more than about 0."""
    model, new = widened(base(architecture), 1, seed=0)
    neuron = Neuron(*new[1][0])
    layer = model.backbone.layers[1]
    generator = torch.Generator().manual_seed(2)
    seen = torch.randn(300, model.backbone.hidden_size, generator=generator) + 0.3
    whitened = _Whitened(seen)
    with torch.no_grad():
        _read(model, neuron, whitened, seen[0], whitened.mean)
        before = [
            part(torch.stack([seen[0], whitened.mean]))[:, neuron.index] for part in (layer.up, layer.gate) if part
        ]
    own, others = before[-1].tolist()
    assert own == pytest.approx(4, abs=0.05 if layer.gate is None else 1.0)
    assert others == pytest.approx(-2 if layer.gate is None else 0, abs=0.05)
