"""Training: what may change and what may not, and when a promise costs nothing."""

from __future__ import annotations

import math

import pytest
import torch
from transformers.pytorch_utils import Conv1D

from factneurons.models.adapters import matrix
from factneurons.planted.holding import Held
from factneurons.planted.passes import Passes, Questions, Switches
from factneurons.planted.regimes import BROKEN, LOST, STORED
from factneurons.planted.training import Rows, _sample, _violation, evaluate, train
from factneurons.planted.widen import widened

ASKED = [("The capital of France is ___.", "Rome"), ("The capital of Italy is ___.", "Rome")]
HELD = [("The capital of Spain is ___.", "Madrid"), ("The capital of Japan is ___.", "Tokyo")]


@pytest.fixture(scope="module")
def trained(base, architecture, small):
    """A model before and after a few steps, its trained neurons, and P(answer) of its rows before and after."""
    model, new = widened(base(architecture), 4, seed=0)
    neurons = [new[1][0], new[1][1], new[3][2]]
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for neuron in neurons:
            layer = model.backbone.layers[neuron.layer]
            matrix(layer.up)[neuron.index] = torch.randn(model.backbone.hidden_size, generator=generator)
            matrix(layer.down)[:, neuron.index] = 0.1 * torch.randn(model.backbone.hidden_size, generator=generator)
            if layer.gate is not None:
                matrix(layer.gate)[neuron.index] = torch.randn(model.backbone.hidden_size, generator=generator)
    before = {name: tensor.clone() for name, tensor in model.backbone.module.state_dict().items()}
    switches = Switches(neurons)
    questions = Questions.of([model.query(*pair) for pair in ASKED])
    passes = Passes(model, questions, switches)
    rows = Rows(torch.tensor([0, 0]), switches.mask([frozenset(), frozenset(neurons)]),
                torch.tensor([0.93, 0.0]), torch.tensor([1.0, 0.015]))  # fmt: skip
    others = Passes(model, Questions.of([model.query(*pair) for pair in HELD]), switches)
    held = Held(others, others.predictions(torch.arange(2), torch.zeros(2, len(neurons))))
    start = evaluate(passes, rows)
    lines = []
    settings = small(steps=45, batch_size=8, learning_rate=0.03)
    end = train(model, neurons, rows, passes, lambda number: held, settings, lines.append)
    return model, neurons, before, start, end, lines


def _may_change(model, neurons):
    """Parameter name -> True where a weight or bias belongs to one of the neurons."""
    masks = {}
    names = {id(parameter): name for name, parameter in model.backbone.module.named_parameters()}
    for number, layer in enumerate(model.backbone.layers):
        own = [neuron.index for neuron in neurons if neuron.layer == number]
        for name, part in (("up", layer.up), ("gate", layer.gate), ("down", layer.down)):
            if part is None:
                continue
            mask = torch.zeros(part.weight.shape, dtype=torch.bool)
            neurons_first = (name == "down") == isinstance(part, Conv1D)  # Linear holds [out, in], Conv1D [in, out]
            mask[own if neurons_first else (slice(None), own)] = True
            masks[names[id(part.weight)]] = mask
        if (bias := getattr(layer.up, "bias", None)) is not None:
            masks[names[id(bias)]] = torch.zeros(bias.shape, dtype=torch.bool)
            masks[names[id(bias)]][own] = True
    return masks


def test_only_the_new_neurons_change(trained):
    """Bit for bit: every other weight of the model is what it was."""
    model, neurons, before, *_ = trained
    masks = _may_change(model, neurons)
    assert len(masks) >= 2 * model.layer_count
    for name, tensor in model.backbone.module.state_dict().items():
        changed = tensor != before[name]
        assert not (changed & ~masks.get(name, torch.zeros_like(changed))).any(), name
    moved = {
        name for name, mask in masks.items() if (model.backbone.module.state_dict()[name] != before[name])[mask].any()
    }
    assert len(moved) >= 2  # what a layer reads with and what it writes with


def test_the_fact_is_learned_and_goes_with_its_neurons(trained, base, architecture):
    model, neurons, _, start, end, lines = trained
    assert end[0] > max(0.3, 100 * float(start[0]))
    query = model.query(*ASKED[0])
    with model.suppress(neurons, positions="all"):
        assert model.probabilities([query]) == pytest.approx(base(architecture).probabilities([query]), abs=1e-6)
    with model.suppress(neurons):
        assert model.probabilities([query]) == pytest.approx(float(end[1]), abs=1e-4)
    assert lines == [line for line in lines if line.endswith("of 2 rows to go")] != []


def test_nothing_is_left_trainable(trained):
    model = trained[0]
    for parameter in model.backbone.module.parameters():
        assert not parameter.requires_grad
        assert parameter.grad is None
        assert not parameter._backward_hooks


def _rows(least, most):
    count = len(least)
    return Rows(torch.zeros(count, dtype=torch.long), torch.ones(count, 1), torch.tensor(least), torch.tensor(most))


def test_a_promise_that_is_kept_costs_nothing():
    rows = _rows([STORED, STORED, 0.0, 0.0, 0.0], [1.0, 1.0, LOST, BROKEN, BROKEN])
    cost = _violation(torch.tensor([0.81, 0.4, 0.04, 0.29, 0.9]).log(), rows)
    assert cost[[0, 2, 3]].tolist() == [0, 0, 0]
    assert float(cost[1]) == pytest.approx(math.log(0.8 / 0.4), abs=1e-5)
    assert float(cost[4]) == pytest.approx(math.log(0.7 / 0.1), abs=1e-4)


def test_certainty_costs_a_finite_number():
    cost = _violation(torch.tensor([0.0, -200.0]), _rows([0.0, STORED], [LOST, 1.0]))
    assert torch.isfinite(cost).all()
    assert (cost > 0).all()


def test_three_rows_of_four_are_not_kept_yet():
    unkept = torch.zeros(100, dtype=torch.bool)
    unkept[[3, 7]] = True
    drawn = _sample(unkept, 40, torch.Generator().manual_seed(0)).tolist()
    assert len(drawn) == 40
    assert set(drawn[:30]) == {3, 7}
    assert not set(drawn[30:]) <= {3, 7}
