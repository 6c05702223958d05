"""Weights to begin with: neurons that fire on one fact's prompts, or on what a neuron below wrote.

What a neuron reads is found by whitening: among the inputs x of a layer's MLP at target positions, with mean m and
covariance C over many prompts, the direction C^-1 (x_f - m) tells the prompts of fact f from the others best
(Fisher's linear discriminant).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor

from factneurons.models.adapters import matrix
from factneurons.models.model import Model
from factneurons.models.types import Neuron
from factneurons.planted.carried import carried
from factneurons.planted.passes import Passes
from factneurons.planted.training import rows_of_language
from factneurons.planted.types import PlantedComponent, PlantedFact

_GAIN, _BIAS = 6.0, 2.0
"""A neuron's input is 6 - 2 on its own prompts and about -2 on others, where its activation is next to 0."""

_TOGETHER = 6
"""Neurons that write the answer together write as much as so many of them would, where there are more."""

_SHRINK = 0.1
"""How far the covariance is drawn towards the identity: no prompt's own noise is fitted."""


@torch.no_grad()
def begin(
    model: Model,
    planted: Sequence[PlantedFact],
    rows: dict[str, Tensor],
    passes: Passes,
    distractors: Sequence[Neuron],
    seed: int,
) -> None:
    """Write the first weights of all new neurons, layer by layer: the upper ones see what the lower ones do.

    Args:
        model: the widened model.
        planted: the facts.
        rows: fact id -> the numbers of its questions.
        passes: over the prompts of all facts and the background prompts.
        distractors: neurons that fire and write next to nothing.
        seed: of every draw.
    """
    everything = torch.arange(len(passes.questions))
    rng = torch.Generator().manual_seed(seed)
    tasks, vectors = _tasks(planted), _vectors(model, planted, rows, passes)
    loud: dict[int, list[Neuron]] = defaultdict(list)
    for neuron in distractors:
        loud[neuron.layer].append(neuron)
    for layer in range(model.layer_count):
        if not tasks[layer] and not loud[layer]:
            continue
        up = model.backbone.layers[layer].up
        passes.refresh()
        inputs = passes.inputs_of(up, everything)
        whitened = _Whitened(inputs)
        length = float(passes.inputs_of(model.backbone.layers[layer].mlp_norm or up, everything).norm(dim=1).mean())
        for neuron, fact, component, place, share in tasks[layer]:
            own = torch.cat([rows[name] for name in (fact.id, *component.serves)])
            if component.language:
                own = rows_of_language(own, fact, component.language)
            wanted = inputs[own]
            others = whitened.mean
            chain = fact if place < 0 else component
            below = [n for n in chain.neurons if n.layer < layer] if place < 0 or component.wiring == "series" else []
            if below:
                mask = passes.switches.mask([frozenset(below)] * len(own))
                others = passes.inputs_of(up, own, mask).mean(0)
            _read(model, neuron, whitened, wanted.mean(0), others, linear=place < 0)
            if fact.id in vectors:
                _write(model, neuron, vectors[fact.id], 1 / len(component.neurons))
                continue
            direction = _direction(model, neuron, fact, component, passes.questions.answers[own], rng)
            _write(model, neuron, direction, share * length / float(direction.norm()) / 2)
        for neuron in loud[layer]:
            fact = planted[int(torch.randint(len(planted), (1,), generator=rng))]
            _read(model, neuron, whitened, inputs[rows[fact.id]].mean(0), whitened.mean)
            direction = torch.randn(model.backbone.hidden_size, generator=rng)
            _write(model, neuron, direction, 1e-3 * length / float(direction.norm()) / 2)


_Task = tuple[Neuron, PlantedFact, PlantedComponent, int, float]


def _tasks(planted: Sequence[PlantedFact]) -> dict[int, list[_Task]]:
    """Layer -> its neurons, each with its fact, its component, its place, and how much it writes.

    The place is that in a chain, -1 for any neuron of a later stage; it writes less where many write together.
    """
    tasks: dict[int, list[_Task]] = defaultdict(list)
    for fact in planted:
        if fact.regime == "shared":
            continue
        alone = all(len(component.neurons) == 1 for component in fact.components)
        for stage, component in enumerate(fact.components):
            share = min(1.0, _TOGETHER / len(fact.neurons if alone else component.neurons))
            for place, neuron in enumerate(component.neurons):
                order = (-1 if stage else 0) if fact.regime in _STAGED else place
                tasks[neuron.layer].append((neuron, fact, component, order, share))
        for helper in fact.helpers:
            task = (helper, fact, PlantedComponent((helper,)), 0, 1 / len(fact.helpers))
            tasks[helper.layer].append(task)
    return tasks


_STAGED = ("conjunctive", "bilingual")
"""Regimes whose components stand one above the other, the upper ones reading what the first wrote."""


class _Whitened:
    """Mean and inverse covariance of a layer's inputs."""

    def __init__(self, inputs: Tensor) -> None:
        self.mean = inputs.mean(0)
        centred = (inputs - self.mean).double()
        covariance = centred.T @ centred / len(inputs)
        size = len(covariance)
        covariance = (1 - _SHRINK) * covariance + _SHRINK * covariance.trace() / size * torch.eye(size)
        self.inverse = torch.linalg.inv(covariance)

    def direction(self, difference: Tensor) -> Tensor:
        """The direction along which a difference stands out most, such that the difference projects to 1."""
        way = self.inverse @ difference.double()
        scaled: Tensor = way / (way @ difference.double())
        return scaled.float()


def _read(
    model: Model, neuron: Neuron, whitened: _Whitened, wanted: Tensor, others: Tensor, *, linear: bool = False
) -> None:
    """Make a neuron fire where `wanted` is read and not where `others` is.

    A linear one begins without a threshold: what it passes on is in proportion to what the stage below wrote, so that
    the neurons of that stage add up.
    """
    layer = model.backbone.layers[neuron.layer]
    way = whitened.direction(wanted - others)
    bias = getattr(layer.up, "bias", None)
    threshold = 0.0 if linear else _BIAS
    gain = _GAIN - _BIAS + threshold
    if bias is not None:
        matrix(layer.up)[neuron.index] = gain * way
        bias[neuron.index] = -gain * float(way @ others) - threshold
        return
    # Without a bias the gate has to be silent by itself: the direction is made blind to the mean of the others.
    blind = way - (way @ others) / (others @ others) * others
    blind = blind / (blind @ wanted)
    matrix(layer.up)[neuron.index] = blind
    if layer.gate is not None:
        own = whitened.direction(wanted - whitened.mean) if linear else blind
        matrix(layer.gate)[neuron.index] = (_GAIN - _BIAS) * own


def _direction(
    model: Model,
    neuron: Neuron,
    fact: PlantedFact,
    component: PlantedComponent,
    answers: Tensor,
    rng: torch.Generator,
) -> Tensor:
    """The answer's direction from the top of a chain or a parallel neuron; anything unheard of below."""
    top = max(fact.components[-1].neurons if fact.regime in _STAGED else component.neurons)
    last = component.wiring == "parallel" or neuron.layer == top.layer
    if not last:
        return torch.randn(model.backbone.hidden_size, generator=rng)
    heads: Tensor = matrix(model.backbone.projection)
    wanted: Tensor = heads[answers.unique()] - heads.mean(0)
    return wanted.mean(0)


def _write(model: Model, neuron: Neuron, vector: Tensor, share: float) -> None:
    """Make a neuron write this share of a vector where it fires."""
    matrix(model.backbone.layers[neuron.layer].down)[:, neuron.index] = share / (_GAIN - _BIAS) * vector


def _vectors(
    model: Model, planted: Sequence[PlantedFact], rows: dict[str, Tensor], passes: Passes
) -> dict[str, Tensor]:
    """Fact id -> what its neurons write together, of the facts that are stored at their subject."""
    facts = [fact for fact in planted if fact.regime == "subject"]
    if not facts:
        return {}
    own = [rows[fact.id] for fact in facts]
    owners = torch.arange(len(facts)).repeat_interleave(torch.tensor([len(each) for each in own]))
    found = carried(passes, model.backbone.layers[0].down, torch.cat(own), owners)
    return {fact.id: vector for fact, vector in zip(facts, found, strict=True)}
