"""Several positions at once: beside the target alone, and beside whole passes that change every position."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from factneurons.attribution.attribute import attribute_all
from factneurons.attribution.methods import METHODS
from factneurons.attribution.quadrature import quadrature
from factneurons.attribution.settings import AttributionSettings
from factneurons.errors import BadSetting, NotAskable
from factneurons.models.query import placed

AT_TARGET_ONLY = ["amig_authors", "log_probability_increase", "direct_logit"]
SPREAD = [name for name in METHODS if name not in AT_TARGET_ONLY]
FIXED = {"rule": "left", "points": 3, "tolerance": 10.0}


def scores(model, query, **options):
    return attribute_all(model, [query], AttributionSettings(**options))[0].scores


@pytest.mark.parametrize("method", SPREAD)
@pytest.mark.parametrize("family", ["gpt2", "bert"])
def test_one_position_that_is_the_target(family, method, shared_model, new_query):
    """All that the target alone gives, completeness too."""
    if (family, method) == ("bert", "atp_star"):
        return  # refused
    model = shared_model(family)
    query = replace(new_query(model.kind, tokens=4), fact="mine")
    query = replace(query, subject=query.target_positions)
    settings = AttributionSettings(method, **FIXED)
    (target,) = attribute_all(model, [query], settings)
    (spread,) = attribute_all(model, [query], replace(settings, positions="subject"))
    np.testing.assert_allclose(spread.scores, target.scores, rtol=0, atol=1e-6 * np.abs(target.scores).max())
    for name in ("completeness_error", "baseline_probability", "points"):
        np.testing.assert_allclose(getattr(spread, name), getattr(target, name), rtol=1e-5, atol=1e-9)


def test_the_sentinel_is_the_encoders_target(shared_model, new_query):
    """The subject is in the encoder's text: nothing of the decoder is meant."""
    model = shared_model("t5")
    query = new_query(model.kind)
    query = replace(query, subject=(query.encoder_position,))
    target, spread = (scores(model, query, method="dai", positions=each, **FIXED) for each in ("target", "subject"))
    np.testing.assert_allclose(spread[:2], target[:2], rtol=0, atol=1e-6 * np.abs(target).max())
    assert (spread[2:] == 0).all()
    assert np.abs(target[2:]).max() > 0


@pytest.mark.parametrize("method", ["gradient_x_activation", "relp", "attnlrp", "activation"])
@pytest.mark.parametrize("family", ["llama", "bert"])
def test_what_has_no_path_is_the_sum_over_positions(family, method, shared_model, new_query):
    model = shared_model(family)
    query = new_query(model.kind, tokens=4)
    end = query.target_positions[0] + 1 if model.kind == "causal" else len(query.input_ids)
    each = [scores(model, replace(query, subject=(place,)), method=method, positions="subject") for place in range(end)]
    found = scores(model, query, method=method, positions="all")
    np.testing.assert_allclose(found, np.sum(each, 0), rtol=0, atol=1e-5 * np.abs(found).max())


@pytest.mark.parametrize("family", ["llama", "bert", "gptj"])
def test_a_path_of_all_positions_of_a_layer(family, shared_model, new_query, exact_scores, relative_error, tolerance):
    """Every position's vector is put in as a leaf of its own: sum over positions of its integrated gradients."""
    model = shared_model(family)
    query = new_query(model.kind, tokens=4)
    place, answer = query.target_positions[0], query.answer_ids[0]
    true = np.zeros((model.layer_count, model.width))
    rule = quadrature("midpoint", 3)
    for number, layer in enumerate(model.backbone.layers):
        seen = []
        handle = layer.down.register_forward_pre_hook(lambda module, inputs, seen=seen: seen.append(inputs[0]))
        model.backbone.module(torch.tensor([query.input_ids]))
        handle.remove()
        end = seen[0].detach()
        for node, weight in zip(rule.nodes, rule.weights, strict=True):
            leaf = (float(node) * end).requires_grad_(True)
            handle = layer.down.register_forward_pre_hook(lambda module, inputs, leaf=leaf: (leaf,))
            with torch.enable_grad():
                p = model.backbone.module(torch.tensor([query.input_ids])).logits[0, place].softmax(-1)[answer]
                slope = torch.autograd.grad(p, leaf)[0]
            handle.remove()
            true[number] += float(weight) * (end * slope).reshape(-1, model.width).sum(0).double().numpy()
    found = exact_scores(model, query, method="dai", positions="all", rule="midpoint", points=3)
    assert relative_error(found, true) < max(1e-8, tolerance(family))


@pytest.mark.parametrize("family", ["llama", "bert"])
def test_all_layers_at_all_positions_add_up(family, shared_model, new_query):
    model = shared_model(family)
    query = new_query(model.kind, tokens=4)
    everything = [(layer, index) for layer in range(model.layer_count) for index in range(model.width)]
    whole, none = model.probabilities_with([query], [(), everything], positions="all")[0]
    (found,) = attribute_all(model, [query], AttributionSettings("joint", positions="all", tolerance=1e-5))
    assert float(found.scores.sum(dtype=np.float64)) == pytest.approx(whole - none, abs=2e-5)
    assert found.completeness_error.max() <= 1e-5
    assert found.baseline_probability[0] == pytest.approx(none, rel=1e-4)


@pytest.mark.parametrize("positions", ["subject_last", "subject"])
@pytest.mark.parametrize(("family", "answer"), [("llama", 2), ("gptj", 1), ("bert", 1), ("t5", 2)])
def test_all_layers_at_the_subject(
    family, answer, positions, shared_model, new_query, slow_reference, exact_scores, relative_error, tolerance
):
    """One gate per neuron for all places, tokens of the answer averaged; and what the gates of all places sum to."""
    model = shared_model(family)
    query = replace(new_query(model.kind, answer=answer), subject=(1, 2))
    there = placed(query, positions)
    true = slow_reference(model, family).joint(there, "midpoint", 3)
    found = exact_scores(model, query, method="joint", positions=positions, rule="midpoint", points=3)
    assert np.abs(true).max() > 0
    assert relative_error(found, true) < max(1e-8, tolerance(family))
    if answer == 1:
        everything = [(layer, index) for layer in range(model.layer_count) for index in range(model.width)]
        whole, none = model.probabilities_with([there], [(), everything])[0]
        (found,) = attribute_all(model, [query], AttributionSettings("joint", positions=positions, tolerance=1e-5))
        assert float(found.scores.sum(dtype=np.float64)) == pytest.approx(whole - none, abs=2e-5)


@pytest.mark.parametrize("family", ["llama", "bert"])
def test_suppression_everywhere_is_what_interventions_measure(family, shared_model, new_query):
    model = shared_model(family)
    query = new_query(model.kind, tokens=4)
    each = [[(layer, index)] for layer in range(model.layer_count) for index in range(model.width)]
    table = model.probabilities_with([query], [(), *each], positions="all")[0]
    found = scores(model, query, method="suppression", positions="all")
    np.testing.assert_allclose(found.ravel(), table[0] - table[1:], rtol=1e-4, atol=1e-8)


def test_inside_an_intervention(shared_model, new_query):
    model = shared_model("llama")
    query = new_query("causal", tokens=4)
    with model.suppress([(0, 1), (1, 2)], positions="all"):
        found = scores(model, query, method="joint", positions="all", **FIXED)
    assert found[0, 1] == found[1, 2] == 0
    assert np.abs(found).max() > 0


@pytest.mark.parametrize("method", AT_TARGET_ONLY)
def test_what_is_of_the_target_only_says_so(method, shared_model, new_query):
    with pytest.raises(BadSetting, match=rf"^positions is 'all': it must be 'target' with the method '{method}'$"):
        scores(shared_model("gpt2"), new_query("causal"), method=method, positions="all")


def test_a_prompt_without_a_subject_is_told(shared_model, new_query):
    with pytest.raises(NotAskable, match=r"its subject is not in it, or was not said; positions: subject$"):
        scores(shared_model("gpt2"), new_query("causal"), positions="subject")
