"""The head's closed-form values, gradients and ranks against automatic differentiation through the vocabulary."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from factneurons.errors import BadModel
from factneurons.models import head as head_module
from factneurons.models.head import Head
from factneurons.models.types import TARGETS

CONFIGS = {
    "plain": {},
    "scaled (Cohere)": {"logit_scale": 0.4},
    "divided (Granite)": {"logits_scaling": 4.0},
    "capped (Gemma 2)": {"final_logit_softcapping": 2.5},
    "scaled and capped": {"logit_scale": 1.7, "final_logit_softcapping": 3.0},
}


def projection(vocabulary=30, hidden=6, bias=True, dtype=torch.float64, seed=0):
    torch.manual_seed(seed)
    made = nn.Linear(hidden, vocabulary, bias=bias, dtype=dtype)
    made.weight.data.normal_(0, 0.8)
    return made


def logits_of(linear, hidden, options):
    """As the models compute them."""
    z = linear(hidden) * options.get("logit_scale", 1.0) / options.get("logits_scaling", 1.0)
    cap = options.get("final_logit_softcapping")
    return z if cap is None else cap * torch.tanh(z / cap)


def true_values(linear, hidden, targets, target, options):
    leaf = hidden.clone().requires_grad_(True)
    logits = logits_of(linear, leaf, options)
    table = {"probability": logits.softmax(-1), "log_probability": logits.log_softmax(-1), "logit": logits}[target]
    values = table.gather(1, targets[:, None])[:, 0]
    return values.detach(), torch.autograd.grad(values.sum(), leaf)[0]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("options", CONFIGS.values(), ids=list(CONFIGS))
@pytest.mark.parametrize("target", TARGETS)
def test_value_and_gradient(target, options, bias):
    linear = projection(bias=bias)
    hidden, targets = 2 * torch.randn(9, 6, dtype=torch.float64), torch.randint(0, 30, (9,))
    values, gradients = Head.of(linear, SimpleNamespace(**options)).value_and_gradient(hidden, targets, target)
    true, true_gradients = true_values(linear, hidden, targets, target, options)
    torch.testing.assert_close(values, true, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(gradients, true_gradients, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("rows", [1, head_module._ROWS, head_module._ROWS + 1, 3 * head_module._ROWS - 5])
def test_more_rows_than_one_chunk(rows):
    linear, options = projection(), {"final_logit_softcapping": 4.0}
    hidden, targets = torch.randn(rows, 6, dtype=torch.float64), torch.randint(0, 30, (rows,))
    head = Head.of(linear, SimpleNamespace(**options))
    for target in TARGETS:
        values, gradients = head.value_and_gradient(hidden, targets, target)
        true, true_gradients = true_values(linear, hidden, targets, target, options)
        torch.testing.assert_close(values, true, rtol=1e-12, atol=1e-14)
        torch.testing.assert_close(gradients, true_gradients, rtol=1e-10, atol=1e-13)
    table = logits_of(linear, hidden, options).log_softmax(-1)
    torch.testing.assert_close(
        head.log_probabilities(hidden, targets), table.gather(1, targets[:, None])[:, 0].detach()
    )
    ranks, top = head.ranks(hidden, targets)
    assert torch.equal(top, table.argmax(-1))
    assert torch.equal(ranks, 1 + (table > table.gather(1, targets[:, None])).sum(-1))


def test_inputs_stay_as_they_are():
    linear = projection()
    hidden, targets = torch.randn(5, 6, dtype=torch.float64), torch.tensor([1, 2, 3, 4, 5])
    before, weight = hidden.clone(), linear.weight.detach().clone()
    head = Head.of(linear, SimpleNamespace(logit_scale=0.5))
    for target in TARGETS:
        head.value_and_gradient(hidden, targets, target)
    head.log_probabilities(hidden, targets)
    head.ranks(hidden, targets)
    assert torch.equal(hidden, before)
    assert torch.equal(linear.weight, weight)


def test_ranks_count_ties_in_the_tokens_favour():
    weight = torch.tensor([[3.0], [1.0], [2.0], [2.0], [0.0]])
    ranks, top = Head(weight, None).ranks(torch.ones(5, 1), torch.arange(5))
    assert ranks.tolist() == [1, 4, 2, 2, 5]
    assert top.tolist() == [0] * 5


@pytest.mark.parametrize("target", TARGETS)
def test_extreme_logits_stay_finite(target):
    """Differences of hundreds of nats: log-probabilities are exact, probabilities are 0, nothing is NaN."""
    head = Head(torch.tensor([[400.0], [-400.0], [0.0]]), None)
    values, gradients = head.value_and_gradient(torch.ones(3, 1), torch.arange(3), target)
    assert torch.isfinite(values).all()
    assert torch.isfinite(gradients).all()
    expected = {"probability": [1, 0, 0], "log_probability": [0, -800, -400], "logit": [400, -400, 0]}[target]
    assert values.tolist() == expected


def test_half_precision_weights_give_probabilities_in_float32():
    linear = projection(dtype=torch.bfloat16)
    hidden, targets = torch.randn(4, 6).bfloat16(), torch.tensor([0, 1, 2, 3])
    head = Head.of(linear, SimpleNamespace())
    values, gradients = head.value_and_gradient(hidden, targets, "probability")
    assert (values.dtype, gradients.dtype) == (torch.float32, torch.bfloat16)
    true = linear.double()(hidden.double()).softmax(-1).gather(1, targets[:, None])[:, 0].detach()
    np.testing.assert_allclose(values, true, rtol=0.05)
    assert head.log_probabilities(hidden, targets).dtype == torch.float64


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(TARGETS), st.floats(0.1, 3.0), st.one_of(st.none(), st.floats(1, 20)))
def test_gradient_is_the_slope(seed, target, scale, cap):
    """A small step changes the value by gradient times step (central difference)."""
    generator = torch.Generator().manual_seed(seed)
    head = Head(torch.randn(12, 4, dtype=torch.float64, generator=generator), None, scale=scale, cap=cap)
    hidden = torch.randn(1, 4, dtype=torch.float64, generator=generator)
    step = 1e-5 * torch.randn(1, 4, dtype=torch.float64, generator=generator)
    token = torch.tensor([seed % 12])
    up, down = (head.value_and_gradient(hidden + sign * step, token, target)[0] for sign in (1, -1))
    slope = (head.value_and_gradient(hidden, token, target)[1] * step).sum()
    assert abs(float((up - down)[0] / 2 - slope)) < 1e-12


def odd_logits(model, change):
    """A model that does something to its logits after the output embeddings."""
    original = model.backbone.module.forward

    def forward(**options):
        result = original(**options)
        return SimpleNamespace(logits=change(result.logits))

    model.backbone.module.forward = forward


@pytest.mark.parametrize("family", ["gpt2", "bert", "t5"])
def test_logits_that_do_not_follow_from_the_head_are_refused_each_time(family, new_model, new_query):
    model = new_model(family)
    odd_logits(model, lambda logits: 2 * logits)
    for _ in range(2):
        with pytest.raises(BadModel, match="scales or caps its logits in a way that is not supported"):
            model.log_probabilities([new_query(model.kind)])


def test_a_constant_added_to_all_logits_changes_no_probability(new_model, new_query, slow_reference):
    model = new_model("gpt2")
    odd_logits(model, lambda logits: logits + 3)
    query = new_query("causal", answer=2)
    true = slow_reference(model, "gpt2").log_probability(query)
    assert model.log_probabilities([query])[0] == pytest.approx(true, abs=1e-12)


@pytest.mark.parametrize("family", ["gpt2", "bert", "t5"])
def test_first_question_may_be_asked_inside_an_intervention(family, new_model, new_query, slow_reference):
    """The check of the head must not take the intervention for a strange head."""
    model = new_model(family)
    query = new_query(model.kind)
    factors = {(0, 1): 0.0, (model.layer_count - 1, 2): 0.0, (model.layer_count - 1, 3): 0.0}
    with model.suppress(factors):
        found = model.log_probabilities([query])[0]
    assert found == pytest.approx(slow_reference(model, family, factors).log_probability(query), abs=1e-11)
    assert found != pytest.approx(model.log_probabilities([query])[0], abs=1e-6)


@pytest.mark.parametrize("family", ["gpt2", "bert"])
def test_nan_weights_are_not_taken_for_a_strange_head(family, new_model, new_query):
    """The numbers are bad, not the model's shape; who asks for scores is told so."""
    model = new_model(family)
    with torch.no_grad():
        model.backbone.layers[1].down.weight[0, 0] = float("nan")
    found = model.log_probabilities([new_query(model.kind)])
    assert torch.isnan(torch.tensor(found)).all()
