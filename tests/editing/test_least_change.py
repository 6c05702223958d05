"""The smallest change: against a general solver where the problem is linear, and by its effect in every family."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from factneurons.editing.least_change import _least_norm, least_change
from factneurons.editing.weights import added
from factneurons.models.types import Neuron


@settings(max_examples=30, deadline=None)
@given(rows=st.integers(1, 5), seed=st.integers(0, 10_000))
def test_least_norm_under_inequalities(rows, seed):
    """Against a slow general solver: feasible, and no longer than what that one finds."""
    generator = np.random.default_rng(seed)
    gradient, bound = generator.normal(size=(rows, 8)), generator.normal(size=rows)
    found = _least_norm(gradient, bound)
    assert found is not None
    assert (gradient @ found >= bound - 1e-8).all()
    slow = minimize(
        lambda x: x @ x, np.zeros(8), jac=lambda x: 2 * x, method="SLSQP",
        constraints={"type": "ineq", "fun": lambda x: gradient @ x - bound, "jac": lambda x: gradient},
        options={"maxiter": 500, "ftol": 1e-12},
    )  # fmt: skip
    assert found @ found <= slow.fun + 1e-6 * (1 + slow.fun)


def test_contradictions_have_no_solution():
    assert _least_norm(np.array([[1.0, 0.0], [-1.0, 0.0]]), np.array([1.0, 1.0])) is None


def test_nothing_to_do_is_no_change():
    assert np.allclose(_least_norm(np.array([[1.0, 2.0]]), np.array([-1.0])), 0)


@pytest.mark.parametrize("answer", [1, 2])
def test_the_wanted_answer_comes_first(one_of_each, answer, shared_model, new_query):
    """Every token of it, by the margin, and with no more than that: the smallest change stops at the bound."""
    model = shared_model(one_of_each)
    query = new_query(model.kind, answer=answer)
    neurons = [Neuron(model.layer_count - 1, index) for index in range(12)]
    assert model.evaluate([query])[0].rank > 1
    found = least_change(model, neurons, [query], [], margin=1.0)
    assert 0.6 <= found.margin <= 1.1  # two masks of a tiny post-norm model pull against each other
    assert found.reached or (one_of_each, answer) == ("bert", 2)
    with added(model, neurons, torch.tensor(found.change), "all"):
        assert model.evaluate([query])[0].rank == 1


def test_a_shorter_change_does_not_do(shared_model, new_query):
    """Nine tenths of the change leave the answer short of its margin."""
    model = shared_model("gpt2")
    query = new_query(model.kind)
    neurons = [Neuron(2, index) for index in range(8)]
    found = least_change(model, neurons, [query], [], margin=2.0)

    def lead(change):
        with added(model, neurons, torch.tensor(change), "all"), torch.no_grad():
            logits = model.backbone.module(torch.tensor([query.input_ids])).logits[0, query.target_positions[0]]
        own = logits[query.answer_ids[0]].item()
        logits[query.answer_ids[0]] = -torch.inf
        return own - logits.max().item()

    assert lead(found.change) >= 1.9
    assert lead(0.9 * found.change) < 1.9


def test_kept_answers_stay(shared_model, new_query):
    """A prompt that shares the neurons keeps what it says."""
    model = shared_model("gpt2")
    neurons = [Neuron(2, index) for index in range(24)]
    query = new_query("causal", seed=1)
    asked = new_query("causal", seed=5)
    top = int(np.argmax(model.backbone.module(torch.tensor([asked.input_ids])).logits[0, -1].detach().numpy()))
    other = type(asked)(asked.prompt, "top", asked.input_ids, asked.target_positions, (top,), asked.replaceable,
                        asked.words)  # fmt: skip
    found = least_change(model, neurons, [query], [other], margin=1.0)
    assert found.reached
    assert found.kept
    with added(model, neurons, torch.tensor(found.change), "all"):
        ranks = [each.rank for each in model.evaluate([query, other])]
    assert ranks == [1, 1]


def test_what_cannot_be_kept_is_given_up(shared_model, new_query):
    """The same prompt cannot have two answers."""
    model = shared_model("gpt2")
    query = new_query("causal")
    top = int(np.argmax(model.backbone.module(torch.tensor([query.input_ids])).logits[0, -1].detach().numpy()))
    same = type(query)(query.prompt, "top", query.input_ids, query.target_positions, (top,), query.replaceable,
                       query.words)  # fmt: skip
    found = least_change(model, [Neuron(2, index) for index in range(8)], [query], [same], margin=1.0)
    assert found.reached
