"""The fast passes of planting against plain ones: `Model.suppress` and the model's own probabilities."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from factneurons.models.query import placed
from factneurons.models.types import Neuron
from factneurons.planted.passes import Passes, Questions, Switches

ASKED = [
    ("The capital of France is ___.", "Paris"),
    ("The capital of the Czech Republic, as is well known, is ___.", "Prague"),
    ("日本的首都是___。", "东京"),
    ("What is the capital of Italy? ___", "Rome"),
]
NEURONS = [Neuron(layer, index) for layer in (0, 1, 3) for index in range(0, 400, 3)]
SETS = [frozenset(), frozenset(NEURONS), frozenset(NEURONS[::2]), frozenset(NEURONS[:150])]


@pytest.fixture(scope="module")
def asked(base, architecture):
    """A model, its queries of one answer token, and passes over them."""
    model = base(architecture)
    queries = [model.query(*pair, multi_mask=True) for pair in ASKED]
    queries = [query for query in queries if len(query.answer_ids) == 1]
    assert len({len(query.input_ids) for query in queries}) > 1  # some are padded
    return model, queries, Passes(model, Questions.of(queries), Switches(NEURONS))


def _answers(passes, rows, on=None):
    with torch.no_grad():
        found = passes.predictions(rows, on)
    assert found.exp().sum(1).numpy() == pytest.approx(1, abs=1e-4)
    return found[torch.arange(len(rows)), passes.questions.answers[rows]].exp().numpy()


def test_predictions_are_the_models(asked):
    model, queries, passes = asked
    assert _answers(passes, torch.arange(len(queries))) == pytest.approx(model.probabilities(queries), abs=1e-4)


def test_suppressed_neurons_as_with_suppress(asked):
    """Every row with a set of its own, in any order, with the keys and values that a causal model keeps."""
    model, queries, passes = asked
    rows = torch.tensor([number for number in reversed(range(len(queries))) for _ in SETS])
    sets = SETS * len(queries)
    found = _answers(passes, rows, passes.switches.mask(sets))
    slow = []
    for number, neurons in zip(rows.tolist(), sets, strict=True):
        with model.suppress(neurons):
            slow.append(model.probabilities([queries[number]])[0])
    assert found == pytest.approx(np.array(slow), abs=1e-4)
    assert np.ptp(found[: len(SETS)]) > 1e-3  # the sets do something


@pytest.mark.parametrize("positions", ["subject_last", "target"])
def test_whole_passes_switch_where_neurons_act(base, positions):
    """At the subject's last token, or at the target in passes that gradients go through at every token."""
    model = base("gpt2")
    subjects = ("France", "Czech Republic", "日本", "Italy")
    queries = [
        placed(model.query(*pair, subject=subject), positions)
        for pair, subject in zip(ASKED, subjects, strict=True)
        if len(model.query(*pair).answer_ids) == 1
    ]
    passes = Passes(model, Questions.of(queries), Switches(NEURONS), whole=True)
    rows = torch.tensor([number for number in range(len(queries)) for _ in SETS])
    found = _answers(passes, rows, passes.switches.mask(SETS * len(queries)))
    assert found == pytest.approx(model.probabilities_with(queries, SETS).ravel(), abs=1e-4)
    assert np.ptp(found[: len(SETS)]) > 1e-3
    places = [query.places(encoder=False)[-1] for query in queries]
    assert (passes.questions.acting == passes.questions.targets).all() == (positions == "target")
    seen = passes.inputs_of(model.backbone.layers[2].up, torch.arange(len(queries)))
    alone = [passes.inputs_of(model.backbone.layers[2].up, torch.tensor([number]))[0] for number in range(len(places))]
    assert seen.numpy() == pytest.approx(torch.stack(alone).numpy(), abs=1e-4)


def test_a_factor_between_off_and_on(asked):
    model, queries, passes = asked
    found = _answers(passes, torch.tensor([0]), torch.full((1, len(NEURONS)), 0.25))
    with model.scale_values(NEURONS, 0.25):
        assert found == pytest.approx(model.probabilities(queries[:1]), abs=1e-4)


def test_kept_keys_are_those_of_the_weights_after_refresh(asked):
    """A weight that is changed reaches the earlier tokens with the next refresh."""
    model, queries, passes = asked
    weight = model.backbone.layers[0].down.weight
    before = weight.detach().clone()
    try:
        with torch.no_grad():
            weight.mul_(1.5)
        passes.refresh()
        assert _answers(passes, torch.arange(len(queries))) == pytest.approx(model.probabilities(queries), abs=1e-4)
    finally:
        with torch.no_grad():
            weight.copy_(before)
        passes.refresh()


def test_inputs_of_a_module(asked):
    model, queries, passes = asked
    seen = []
    up = model.backbone.layers[2].up
    handle = up.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    try:
        for query in queries:
            model.probabilities([query])
        alone = torch.stack([each[0, -1] if model.kind == "causal" else each[0][query.target_positions[0]]
                             for each, query in zip(seen, queries, strict=True)])  # fmt: skip
    finally:
        handle.remove()
    found = passes.inputs_of(up, torch.arange(len(queries)))
    assert found.shape == (len(queries), model.backbone.hidden_size)
    assert found.numpy() == pytest.approx(alone.numpy(), abs=1e-4)


def test_no_hook_is_left(asked, hooks_of):
    model, _, passes = asked
    before = hooks_of(model.backbone.module)
    _answers(passes, torch.tensor([0]), torch.zeros(1, len(NEURONS)))
    passes.inputs_of(model.backbone.layers[0].up, torch.tensor([0]))
    assert hooks_of(model.backbone.module) == before


def test_masks_and_columns():
    switches = Switches([Neuron(1, 5), Neuron(0, 2), Neuron(1, 3)])
    assert switches.mask([frozenset(), frozenset({Neuron(1, 3)})]).tolist() == [[1, 1, 1], [1, 1, 0]]
    columns, indices = switches.of_layer(1)
    assert (columns.tolist(), indices.tolist()) == ([0, 2], [5, 3])
    assert switches.of_layer(2)[0].tolist() == []
    with pytest.raises(KeyError):
        switches.mask([frozenset({Neuron(4, 4)})])
