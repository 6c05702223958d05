"""New neurons that do nothing yet: what the model did before it does still."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers.pytorch_utils import Conv1D

from factneurons.errors import BadModel
from factneurons.models.adapters import matrix
from factneurons.models.types import Neuron
from factneurons.planted.widen import WIDTH_FIELDS, widened

EXTRA = 9
IDS = torch.tensor([[8, 9, 10, 3, 20, 21], [30, 3, 12, 11, 1, 1]])


@pytest.fixture(params=WIDTH_FIELDS)
def base(request, new_model):
    """A tiny model of every family that can be widened; GPT-2 has Conv1D projections, the others Linear ones."""
    model = new_model(request.param, torch.float32, exact_norms=False)
    assert isinstance(model.backbone.layers[0].up, Conv1D) == (request.param == "gpt2")
    return model


def _logits(model):
    with torch.no_grad():
        return model.backbone.module(input_ids=IDS).logits


def test_every_logit_is_as_it_was(base):
    before = _logits(base)
    grown, _ = widened(base, EXTRA, seed=3)
    assert (grown.layer_count, grown.width) == (base.layer_count, base.width + EXTRA)
    assert (
        getattr(grown.backbone.module.config, WIDTH_FIELDS[grown.backbone.module.config.model_type])
        == base.width + EXTRA
    )
    assert float((_logits(grown) - before).abs().max()) <= 1e-5
    assert (grown.name, grown.kind) == (base.name, base.kind)


def test_the_model_itself_is_left_alone(base):
    before = {name: tensor.clone() for name, tensor in base.backbone.module.state_dict().items()}
    width = base.width
    widened(base, EXTRA, seed=3)
    assert (
        base.width
        == width
        == getattr(base.backbone.module.config, WIDTH_FIELDS[base.backbone.module.config.model_type])
    )
    assert all(torch.equal(tensor, before[name]) for name, tensor in base.backbone.module.state_dict().items())


def test_new_neurons_have_no_weights_and_old_ones_theirs(base):
    grown, new = widened(base, EXTRA, seed=3)
    for number, (old, layer) in enumerate(zip(base.backbone.layers, grown.backbone.layers, strict=True)):
        indices = [neuron.index for neuron in new[number]]
        kept = [place for place in range(grown.width) if place not in set(indices)]
        assert {neuron.layer for neuron in new[number]} == {number}
        assert len(set(indices)) == EXTRA
        assert not matrix(layer.down)[:, indices].any()
        assert not matrix(layer.up)[indices].any()
        old_rows = {tuple(row) for row in matrix(old.up).tolist()}
        assert {tuple(row) for row in matrix(layer.up)[kept].tolist()} == old_rows
        pairs = zip(matrix(old.up).tolist(), matrix(old.down).T.tolist(), strict=True)
        found = zip(matrix(layer.up)[kept].tolist(), matrix(layer.down)[:, kept].T.tolist(), strict=True)
        assert {(tuple(a), tuple(b)) for a, b in found} == {(tuple(a), tuple(b)) for a, b in pairs}


def test_places_are_drawn_with_the_seed(base):
    drawn = [widened(base, EXTRA, seed)[1] for seed in (3, 3, 4)]
    assert drawn[0] == drawn[1] != drawn[2]
    ends = {tuple(range(base.width, base.width + EXTRA)), tuple(range(EXTRA))}
    for layer in drawn[0]:
        assert tuple(sorted(neuron.index for neuron in layer)) not in ends
    assert len({tuple(neuron.index for neuron in layer) for layer in drawn[0]}) == base.layer_count


def test_a_new_neuron_can_be_changed_and_suppressed(base, new_query):
    """Its place is the one that interventions mean: with weights it moves P(answer), suppressed it does not."""
    grown, new = widened(base, EXTRA, seed=3)
    query = new_query(base.kind)
    before = grown.log_probabilities([query])
    neuron = new[1][0]
    layer = grown.backbone.layers[1]
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for part in (layer.up, layer.gate):
            if part is not None:
                matrix(part)[neuron.index] = torch.randn(grown.backbone.hidden_size, generator=generator)
        matrix(layer.down)[:, neuron.index] = torch.randn(grown.backbone.hidden_size, generator=generator)
    assert abs(grown.log_probabilities([query]) - before).max() > 1e-3
    with grown.suppress([neuron], positions="all"):
        assert grown.log_probabilities([query]) == pytest.approx(before, abs=1e-5)


@pytest.mark.parametrize("family", ["gptj", "t5", "roberta"])
def test_other_families_are_refused(family, new_model):
    model = new_model(family, torch.float32)
    with pytest.raises(BadModel, match=f"bert, gpt2, llama models, not in {family}"):
        widened(model, EXTRA, seed=0)


def test_no_extra_neurons_is_a_permutation(base):
    grown, new = widened(base, 0, seed=1)
    assert grown.width == base.width
    assert new == ((),) * base.layer_count
    assert np.isfinite(grown.out_weights([Neuron(0, 0)])).all()
    assert float((_logits(grown) - _logits(base)).abs().max()) <= 1e-5
