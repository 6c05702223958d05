"""What neurons mediate, against a loop over single forward passes; and the rules that follow from layers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from factneurons.degeneracy.mediation import mediated_effects
from factneurons.models.types import Neuron


@pytest.fixture(scope="module")
def model(shared_model):
    return shared_model("gpt2")


NEURONS = [Neuron(0, 1), Neuron(0, 3), Neuron(1, 2), Neuron(2, 0), Neuron(2, 5)]


def values(model, family_row, query, suppressed):
    """The neurons' values at the target, with one neuron set to 0 there by a hook of this test's own."""
    found, handles = {}, []
    position = query.target_positions[0]

    def watch(layer):
        def hook(_, inputs):
            changed = inputs[0].clone()
            if suppressed is not None and suppressed.layer == layer:
                changed[:, position, suppressed.index] = 0
            found[layer] = changed[0, position].detach()
            return (changed, *inputs[1:])

        return hook

    for layer, down in enumerate(family_row["gpt2"].downs(model.backbone.module)):
        handles.append(down.register_forward_pre_hook(watch(layer)))
    with torch.no_grad():
        model.backbone.module(input_ids=torch.tensor([query.input_ids]))
    for handle in handles:
        handle.remove()
    return np.array([float(found[neuron.layer][neuron.index]) for neuron in NEURONS])


def test_against_single_passes(model, family_row, new_query):
    queries = [new_query(model.kind, seed=seed) for seed in range(2)]
    expected = np.zeros((len(NEURONS), len(NEURONS)))
    for query in queries:
        whole = np.abs(values(model, family_row, query, None))
        for row, neuron in enumerate(NEURONS):
            left = np.abs(values(model, family_row, query, neuron)) / whole
            expected[row] += np.clip(1 - left, 0, 1) / len(queries)
    np.fill_diagonal(expected, 0)
    assert model.answer([mediated_effects(queries, NEURONS)])[0] == pytest.approx(expected, abs=1e-4)
    assert expected.max() > 1e-3


def test_only_lower_neurons_are_needed(model, new_query):
    found = model.answer([mediated_effects([new_query(model.kind)], NEURONS)])[0]
    for row, first in enumerate(NEURONS):
        for column, second in enumerate(NEURONS):
            assert 0 <= found[row, column] <= 1
            if first.layer >= second.layer:
                assert found[row, column] == pytest.approx(0, abs=1e-5)


def test_a_silent_neuron_needs_nobody(model, new_query):
    with model.suppress([Neuron(2, 5)]):
        found = model.answer([mediated_effects([new_query(model.kind)], NEURONS)])[0]
    assert (found[:, 4] == 0).all()
