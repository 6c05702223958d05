"""Sets of neurons as arrays: what they hold, and the rows that items with sets of their own get."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from factneurons.errors import BadSetting
from factneurons.models.passes.capture import capture
from factneurons.models.passes.changes import ChangedRows, NeuronSets

SETS = st.lists(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 23)), max_size=5), max_size=6)


@settings(max_examples=40, deadline=None)
@given(SETS)
def test_sets_are_what_was_given(shared_model, given):
    """Without the empty ones, each neuron once, in the order of their lowest layers."""
    factors = [0.5 * number for number in range(len(given))]
    found = NeuronSets.of(shared_model("gpt2").backbone, given, factors)
    assert found.lowest.tolist() == sorted(min(neurons)[0] for neurons in given if neurons)
    assert sorted(found.numbers) == [number for number, neurons in enumerate(given) if neurons]
    for number, own in zip(found.numbers, found.factors_of(), strict=True):
        assert own == dict.fromkeys(given[number], factors[number])
    for begin in range(len(found)):
        assert found.part(begin, begin + 2).factors_of() == found.factors_of()[begin : begin + 2]


@settings(max_examples=40, deadline=None)
@given(SETS.filter(any), SETS.filter(any))
def test_each_item_has_its_own_rows(shared_model, new_query, first, second):
    """Started or changed on their way, the neurons of every row are multiplied in every layer, and no others."""
    model = shared_model("gpt2")
    queries = [new_query("causal", tokens=5, seed=seed) for seed in range(2)]
    captured = capture(model.backbone, queries, [(0, (0,)), (1, (0,))])
    sets = [NeuronSets.of(model.backbone, each, [0.25] * len(each)) for each in (first, second)]
    rows = ChangedRows.of(captured, sets)
    assert rows.real.sum(1).tolist() == [len(own) for own in sets]
    assert (np.diff(rows.begins) >= 0).all()
    for layer, activation in enumerate(captured.activations):
        starting, passing = rows.begins == layer, rows.begins < layer
        assert (rows.starts[layer] is not None) == starting.any()
        values = torch.ones(2, int(passing.sum()), 1, model.width, dtype=activation.dtype)
        values = rows.changes[layer](values) if layer in rows.changes else values
        if rows.starts[layer] is not None:
            values = torch.cat([values, rows.starts[layer] / activation[:, None]], 1)
        for item, own in enumerate(sets):
            for row, factors in enumerate(own.factors_of()[: values.shape[1]]):
                changed = {index for at, index in factors if at == layer}
                found = values[item, row, 0]
                expected = torch.tensor([0.25 if index in changed else 1.0 for index in range(model.width)])
                assert torch.allclose(found, expected.to(found), equal_nan=True)


def test_bad_input(shared_model):
    backbone = shared_model("gpt2").backbone
    with pytest.raises(BadSetting, match=r"has no neuron \(3, 0\)"):
        NeuronSets.of(backbone, [[(0, 0)], [(3, 0)]], [0, 0])
    with pytest.raises(BadSetting, match=r"has no neuron \(0, -1\)"):
        NeuronSets.of(backbone, [[(0, -1)]], [0])
    with pytest.raises(BadSetting, match="1 neuron sets need one factor or as many, not 2"):
        NeuronSets.of(backbone, [[(0, 0)]], [0, 1])
