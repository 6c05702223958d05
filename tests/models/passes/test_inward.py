"""Neurons before their activation function, against plain torch hooks on GPT-2, LLaMA and a fused gate."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from factneurons.attribution.attribute import attribute_all
from factneurons.attribution.settings import AttributionSettings
from factneurons.errors import BadModel, BadSetting
from factneurons.models.passes.capture import capture
from factneurons.models.passes.fast_path import values_and_gradients

END = 1
HOOKED = {
    "gpt2": lambda module: [block.mlp.c_fc for block in module.transformer.h],
    "llama": lambda module: [block.mlp.gate_proj for block in module.model.layers],
    "phi3": lambda module: [block.mlp.gate_up_proj for block in module.model.layers],
}
POINTS = 4

pytestmark = pytest.mark.filterwarnings("ignore:.*the integral of:UserWarning")  # few points


class Plain:
    """One whole pass for everything: the output of the hooked module at the target, read or replaced."""

    def __init__(self, model, family):
        self.model, self.modules = model.backbone.module, HOOKED[family](model.backbone.module)
        self.width = model.width  # of a fused projection the gate comes first

    def read(self, ids, place, layer):
        seen = []
        handle = self.modules[layer].register_forward_hook(lambda module, inputs, output: seen.append(output.detach()))
        self.model(input_ids=torch.tensor([ids]))
        handle.remove()
        return seen[0][0, place, : self.width]

    def slope(self, query, token, layer, vector):
        """dP(answer token)/dz and P, with z of one layer replaced at the token's target position."""
        place, leaf = query.target_positions[token], vector.detach().clone().requires_grad_(True)

        def put(module, inputs, output):
            changed = output.clone()
            changed[0, place, : self.width] = leaf
            return changed

        handle = self.modules[layer].register_forward_hook(put)
        logits = self.model(input_ids=torch.tensor([query.input_ids])).logits[0, place]
        handle.remove()
        probability = logits.softmax(-1)[query.answer_ids[token]]
        return torch.autograd.grad(probability, leaf)[0], probability.detach()

    def mean_slope(self, query, token, layer, start, end):
        """By left Riemann points."""
        nodes = [step / POINTS for step in range(POINTS)]
        return sum(self.slope(query, token, layer, start + s * (end - start))[0] for s in nodes) / POINTS

    def scores(self, method, query):
        """[layers, width], the mean over answer tokens (of `amig_authors` the sum)."""
        return np.stack([
            torch.stack([method(self, query, token, layer) for token in range(len(query.answer_ids))]).mean(0).numpy()
            for layer in range(len(self.modules))
        ])  # fmt: skip


def _corrupted(query, place):
    return (*query.input_ids[:place], END, *query.input_ids[place + 1 :])


def _dai(plain, query, token, layer):
    value = plain.read(query.input_ids, query.target_positions[token], layer)
    return value * plain.mean_slope(query, token, layer, torch.zeros_like(value), value)


def _amig(plain, query, token, layer):
    target = query.target_positions[token]
    value = plain.read(query.input_ids, target, layer)
    starts = [plain.read(_corrupted(query, place), target, layer) for place in query.replaceable]
    return sum((value - start) * plain.mean_slope(query, token, layer, start, value) for start in starts)


def _authors(plain, query, token, layer):
    target = query.target_positions[token]
    value = plain.read(query.input_ids, target, layer)
    start = sum(plain.read(_corrupted(query, place), target, layer) for place in range(target + 1)) / (target + 1)
    return value * plain.mean_slope(query, token, layer, start, value)


def _activation(plain, query, token, layer):
    return plain.read(query.input_ids, query.target_positions[token], layer)


@pytest.mark.parametrize("family", HOOKED)
@pytest.mark.parametrize(
    ("method", "slow", "answer"),
    [("dai", _dai, 2), ("amig", _amig, 2), ("amig_authors", _authors, 1), ("activation", _activation, 2)],
)
def test_scores_are_those_of_plain_hooks(family, method, slow, answer, shared_model, new_query, relative_error):
    model, query = shared_model(family), new_query("causal", tokens=4, answer=answer)
    found = attribute_all(model, [query], method=method, hook="pre", rule="left", points=POINTS, tolerance=9.0)[0]
    assert relative_error(found.scores, Plain(model, family).scores(slow, query)) < 1e-6
    after = attribute_all(model, [query], method=method, rule="left", points=POINTS, tolerance=9.0)[0]
    assert relative_error(found.scores, after.scores) > 0.01


@pytest.mark.parametrize("family", HOOKED)
def test_scores_sum_to_the_change_of_p(family, shared_model, new_query):
    """From z = 0, where every value is 0, as of Dai et al."""
    model, query = shared_model(family), new_query("causal")
    found, after = (attribute_all(model, [query], method="dai", hook=hook)[0] for hook in ("pre", "post"))
    assert found.completeness_error.max() < 1e-3
    assert found.baseline_probability == pytest.approx(after.baseline_probability)
    sums = found.scores.astype(np.float64).sum(1)
    assert sums == pytest.approx(found.probability - found.baseline_probability, abs=1e-3)


def test_the_plain_loop_says_the_same(new_model, new_query, relative_error):
    model, query = new_model("llama"), new_query("causal")
    fast = attribute_all(model, [query], method="dai", hook="pre")[0]
    model.backbone.fast_path.fits = False
    assert relative_error(attribute_all(model, [query], method="dai", hook="pre")[0].scores, fast.scores) < 1e-6


def test_what_is_suppressed_stays_suppressed_and_has_no_score(shared_model, new_query):
    model, query = shared_model("llama"), new_query("causal")
    with model.suppress([(1, 3)]):
        found = attribute_all(model, [query], method="dai", hook="pre")[0]
        probability = model.probabilities([query])[0]
    assert found.scores[1, 3] == 0.0
    assert found.probability == pytest.approx(probability)
    assert found.completeness_error.max() < 1e-3


def test_points_are_of_what_stands_before_the_activation(shared_model, new_query):
    """Items in another order, and a gradient by hand."""
    model, queries = shared_model("gpt2"), [new_query("causal", seed=seed) for seed in (0, 1)]
    captured = capture(model.backbone, queries, [(0, (0,)), (1, (0,))], pre=True).subset(torch.tensor([1, 0]))
    points = [value.clone() for value in captured.vectors]
    values, slopes = values_and_gradients(model.backbone, captured, points, "probability")
    for item, query in enumerate(reversed(queries)):
        slope, probability = Plain(model, "gpt2").slope(query, 0, 1, points[1][item, 0])
        assert values[1][item, 0] == pytest.approx(float(probability), rel=1e-9)
        assert torch.allclose(slopes[1][item, 0], slope, rtol=1e-7, atol=1e-12)


def test_authors_hook_causal_models_alone(shared_model, new_query):
    for family, same in {"gpt2": "pre", "bert": "post"}.items():
        model = shared_model(family)
        query = new_query(model.kind)
        found, true = (attribute_all(model, [query], method="dai", hook=hook)[0].scores for hook in ("authors", same))
        assert np.array_equal(found, true)


@pytest.mark.parametrize(
    ("options", "valid"),
    [
        ({"method": "joint"}, "'post' with the method 'joint'"),
        ({"method": "dai", "positions": "all"}, "'post' where neurons are meant at positions 'all'"),
    ],
)
def test_where_it_has_no_meaning_it_is_refused(options, valid):
    with pytest.raises(BadSetting, match=f"hook is 'pre': it must be {valid}"):
        AttributionSettings(**options, hook="pre")


def test_a_mixture_of_experts_is_refused(shared_model, new_query):
    model = shared_model("mixtral")
    with pytest.raises(BadSetting, match=r"hook is 'authors'.*'post' for tiny mixtral, a mixture of experts"):
        attribute_all(model, [new_query("causal")], method="dai", hook="authors")
    with pytest.raises(BadSetting, match=r"pre is True.*a mixture of experts"):
        model.scale_values([(0, 1)], 2.0, pre=True)


@pytest.mark.parametrize("family", HOOKED)
@pytest.mark.parametrize("factor", [0.0, 2.0])
def test_multiplied_before_the_activation(family, factor, shared_model, new_query):
    """At both target positions; nothing at 0 is as the values at 0, twice as much is not twice the values."""
    model, query = shared_model(family), new_query("causal", answer=2)
    places, neurons = list(query.target_positions), [(0, 3), (2, 1)]

    def put(index):
        def hook(module, inputs, output):
            changed = output.clone()
            changed[:, places, index] *= factor
            return changed

        return hook

    modules = HOOKED[family](model.backbone.module)
    handles = [modules[layer].register_forward_hook(put(index)) for layer, index in neurons]
    logits = model.backbone.module(input_ids=torch.tensor([query.input_ids])).logits[0, places].detach()
    for handle in handles:
        handle.remove()
    true = float(logits.softmax(-1)[[0, 1], list(query.answer_ids)].prod())
    before = model.probabilities([query])[0]
    with model.scale_values(neurons, factor, pre=True):
        assert model.probabilities([query])[0] == pytest.approx(true, rel=1e-9)
    with model.scale_values(neurons, factor):
        after = model.probabilities([query])[0]
    assert (after == pytest.approx(true, rel=1e-9)) == (factor == 0.0)
    assert model.probabilities([query])[0] == before


def test_values_that_do_not_follow_are_refused(new_model, new_query):
    """A change at all positions, which the values show and what stands before them does not."""
    model, query = new_model("gpt2"), new_query("causal")
    with model.suppress([(0, 1)], positions="all"), pytest.raises(BadModel, match="in layer 0 the neurons' values"):
        capture(model.backbone, [query], [(0, (0,))], pre=True)
    layer = model.backbone.layers[1]
    model.backbone.layers[1] = replace(layer, activation=torch.nn.Tanh())
    with pytest.raises(BadModel, match="in layer 1 the neurons' values"):
        attribute_all(model, [query], method="dai", hook="pre")
