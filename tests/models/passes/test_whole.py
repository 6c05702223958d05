"""Gradients of whole prompts beside those of the slow loop, one position at a time."""

import numpy as np
import torch

from factneurons.models.passes import plain
from factneurons.models.passes.capture import capture
from factneurons.models.passes.whole import whole_gradients


def test_every_position(one_of_each, shared_model, new_query, slow_reference):
    model = shared_model(one_of_each)
    query = new_query(model.kind, tokens=4)
    captured = capture(model.backbone, [query], [(0, (0,))])
    found = whole_gradients(model.backbone, captured, "log_probability")
    slow = slow_reference(model, one_of_each)
    for layer in range(model.layer_count):
        place = slow.places(query, layer)[0]
        value = slow.activation(query, layer, 0)
        slope = slow.value_and_gradient(query, 0, layer, value, "log_probability")[1]
        np.testing.assert_allclose(found.activations[layer][0, place], value, rtol=1e-5, atol=1e-9)
        np.testing.assert_allclose(found.gradients[layer][0, place], slope, rtol=1e-4, atol=1e-7)
    if model.kind != "encoder-decoder":
        moved = slow.logits(query, (0, 0, found.activations[0][0, 0] * (1 + 1e-5))).double().log_softmax(-1)
        before = slow.logits(query).double().log_softmax(-1)
        place, token = query.target_positions[0], query.answer_ids[0]
        change = float(moved[place, token] - before[place, token])
        assert abs(change / 1e-5 - float(found.activations[0][0, 0] @ found.gradients[0][0, 0])) < 1e-2


def test_a_few_prompts_at_a_time_change_nothing(one_of_each, shared_model, new_query, monkeypatch):
    model = shared_model(one_of_each)
    queries = [new_query(model.kind, seed=seed, answer=2) for seed in range(3)]
    items = [(row, (token,)) for row in range(3) for token in range(2)]
    captured = capture(model.backbone, queries, items)
    together = whole_gradients(model.backbone, captured, "probability")
    monkeypatch.setattr(plain, "_TOKENS", 20)
    apart = whole_gradients(model.backbone, captured, "probability")
    for one, other in zip(together.gradients, apart.gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-9)


def test_frozen_parameters_stay_so(shared_model, new_query):
    model = shared_model("gpt2")
    whole_gradients(model.backbone, capture(model.backbone, [new_query("causal")], [(0, (0,))]), "logit")
    assert not any(each.requires_grad or each.grad is not None for each in model.backbone.module.parameters())
