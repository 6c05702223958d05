"""Joint attribution against whole passes with gates on every layer, and what it is for: backups."""

import numpy as np
import pytest

from factneurons.attribution.attribute import attribute_all
from factneurons.attribution.settings import AttributionSettings

END, MASK = 1, 3


def test_the_slow_loop(every_family, shared_model, new_query, slow_reference, exact_scores, relative_error, tolerance):
    model = shared_model(every_family)
    query = new_query(model.kind, tokens=5, answer=2)
    true = slow_reference(model, every_family).joint(query, "gauss_legendre", 3)
    found = exact_scores(model, query, method="joint", rule="gauss_legendre", points=3)
    assert relative_error(found, true) < tolerance(every_family)


def test_from_sentences(one_of_each, shared_model, new_query, slow_reference, exact_scores, relative_error, tolerance):
    model = shared_model(one_of_each)
    query = new_query(model.kind, tokens=5, answer=2)
    replacement = MASK if model.kind == "cloze" else END
    slow = slow_reference(model, one_of_each)
    true = sum(slow.joint(query, "radau", 2, replaced=(replacement, (place,))) for place in query.replaceable)
    found = exact_scores(model, query, method="amig_joint", rule="radau", points=2)
    assert relative_error(found, true) < tolerance(one_of_each)


def test_inside_an_intervention(
    one_of_each, shared_model, new_query, slow_reference, exact_scores, relative_error, tolerance
):
    model = shared_model(one_of_each)
    query = new_query(model.kind, answer=2)
    factors = {(0, 1): 0.0, (1, 2): 0.0, (1, 3): 0.0}
    true = slow_reference(model, one_of_each, factors).joint(query, "gauss_legendre", 3)
    with model.suppress(factors):
        found = exact_scores(model, query, method="joint", rule="gauss_legendre", points=3)
    assert relative_error(found, true) < tolerance(one_of_each)
    assert all(found[neuron] == 0 for neuron in factors)


@pytest.mark.parametrize("target", ["probability", "log_probability", "logit"])
def test_scores_of_all_layers_add_up(one_of_each, target, shared_model, new_query):
    """To F with all gates open less F with all closed, as closely as the tolerance says."""
    model = shared_model(one_of_each)
    query = new_query(model.kind, tokens=5)
    settings = AttributionSettings(method="joint", target=target, tolerance=1e-4)
    found = attribute_all(model, [query], settings)[0]
    everything = [(layer, index) for layer in range(model.layer_count) for index in range(model.width)]
    with model.suppress(everything):
        closed = float(model.log_probabilities([query])[0])
    opened = float(model.log_probabilities([query])[0])
    change = {"probability": np.exp(opened) - np.exp(closed), "log_probability": opened - closed}
    if target in change:
        assert float(found.scores.sum()) == pytest.approx(change[target], abs=2e-4)
    assert found.completeness_error.max() <= 1e-4
    assert len({*found.completeness_error}) == 1, "one number for all layers"


def test_batches_change_nothing(one_of_each, shared_model, new_query):
    model = shared_model(one_of_each)
    queries = [new_query(model.kind, tokens=6, seed=seed, answer=1 + seed % 2) for seed in range(4)]
    settings = AttributionSettings(method="amig_joint")
    together = attribute_all(model, queries, settings)
    for query, each in zip(queries, together, strict=True):
        alone = attribute_all(model, [query], settings)[0]
        np.testing.assert_allclose(each.scores, alone.scores, rtol=0, atol=1e-6 * np.abs(alone.scores).max())
        assert (each.points == alone.points).all()


@pytest.mark.parametrize(("method", "prompts", "budget"), [("joint", 3, 6), ("amig_joint", 2, 30)])
def test_little_memory_changes_nothing(method, prompts, budget, one_of_each, shared_model, new_query, monkeypatch):
    """Also where a chunk holds as many paths of one prompt as there are prompts."""
    model = shared_model(one_of_each)
    queries = [new_query(model.kind, tokens=6, seed=seed) for seed in range(prompts)]
    settings = AttributionSettings(method)
    expected = attribute_all(model, queries, settings)
    monkeypatch.setattr("factneurons.attribution.joint.row_budget", lambda *_: budget)
    for each, true in zip(attribute_all(model, queries, settings), expected, strict=True):
        np.testing.assert_allclose(each.scores, true.scores, rtol=0, atol=1e-6 * np.abs(true.scores).max())


def test_too_few_points_are_told_of_all_layers_together(shared_model, new_query):
    query = new_query("causal")
    with pytest.warns(UserWarning, match=r"the integral of all layers together is off by .* change"):
        attribute_all(shared_model("gpt2"), [query], AttributionSettings("joint", "left", 1))
