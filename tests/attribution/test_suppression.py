"""Single neurons at 0, one whole pass each."""

import numpy as np
import pytest
import torch

from factneurons.attribution.attribute import attribute_all
from factneurons.attribution.settings import AttributionSettings


@pytest.mark.parametrize("target", ["probability", "logit"])
def test_one_neuron_at_a_time(
    one_of_each, target, shared_model, new_query, slow_reference, exact_scores, relative_error, tolerance
):
    model = shared_model(one_of_each)
    query, slow = new_query(model.kind, tokens=4, answer=2), slow_reference(model, one_of_each)
    true = np.zeros((model.layer_count, model.width))
    with torch.no_grad():
        for layer in range(model.layer_count):
            for token in range(2):
                value = slow.activation(query, layer, token)
                before = float(slow.value(query, token, layer, value, target))
                for index in range(model.width):
                    changed = value.clone()
                    changed[index] = 0.0
                    true[layer, index] += (before - float(slow.value(query, token, layer, changed, target))) / 2
    found = exact_scores(model, query, method="suppression", target=target)
    assert relative_error(found, true) < max(1e-8, 10 * tolerance(one_of_each))


def test_it_is_what_interventions_measure(shared_model, new_query):
    """One answer token: the loss of P that `probabilities_with` gives for each neuron alone."""
    model, query = shared_model("gpt2"), new_query("causal")
    everything = [[(layer, index)] for layer in range(model.layer_count) for index in range(model.width)]
    table = model.probabilities_with([query], [[], *everything])[0]
    found = attribute_all(model, [query], AttributionSettings("suppression"))[0].scores
    np.testing.assert_allclose(found.ravel(), table[0] - table[1:], rtol=1e-5, atol=1e-9)


def test_little_memory_changes_nothing(shared_model, new_query, monkeypatch):
    model = shared_model("llama")
    queries = [new_query("causal", tokens=4 + seed, seed=seed, answer=1 + seed % 2) for seed in range(3)]
    settings = AttributionSettings("suppression")
    expected = attribute_all(model, queries, settings)
    monkeypatch.setattr("factneurons.attribution.suppression.row_budget", lambda *_: 7)
    for query, each, true in zip(queries, attribute_all(model, queries, settings), expected, strict=True):
        alone = attribute_all(model, [query], settings)[0].scores
        for other in (each.scores, alone):
            np.testing.assert_allclose(other, true.scores, rtol=0, atol=1e-6 * np.abs(true.scores).max())
