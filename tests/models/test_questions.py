"""Searches of many questions: side by side, in turn and alone they find the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from factneurons.models.questions import Question, Reading, answered, in_turn, knowing
from factneurons.models.types import Neuron


def worst_of(query, neurons):
    """A search whose questions depend on the answers: which neuron costs most, once those found are suppressed."""
    found, trail = [], []
    while len(found) < 3:
        rest = [neuron for neuron in neurons if neuron not in found]
        table = yield Question([query], [(), *([*found, neuron] for neuron in rest)])
        trail += table[0].tolist()
        found.append(rest[int(table[0, 1:].round(9).argmin())])  # silent neurons cost alike
    values = yield Reading([query], [(), found[:1]], neurons)
    return found, trail, values


def by_blocks(model, asked):
    """One question, with a block of its own for every set."""
    answers = []
    for own in asked.neuron_sets:
        with model.suppress(own):
            if isinstance(asked, Question):
                answers.append(model.probabilities(asked.queries))
            else:
                layers, indices = zip(*asked.neurons, strict=True)
                answers.append(model.activations(asked.queries)[:, layers, indices])
    return np.stack(answers, axis=1)


def neurons_of(model, seed):
    rng = np.random.default_rng(seed)
    pairs = {(int(rng.integers(model.layer_count)), int(rng.integers(model.width))) for _ in range(4 + seed)}
    return [Neuron(*pair) for pair in sorted(pairs)]


@pytest.mark.parametrize("family", ["gpt2", "llama", "bert", "t5"])
def test_many_searches_side_by_side_find_what_each_finds_alone(family, shared_model, new_query):
    """Of prompts of several lengths, with answers of one or two tokens and sets of any number."""
    model = shared_model(family)
    sizes = [(6, 1), (9, 2), (4, 1), (5, 2), (6, 1), (6, 2)]
    queries = [new_query(model.kind, tokens=t, answer=a, seed=seed) for seed, (t, a) in enumerate(sizes)]
    searches = [(query, neurons_of(model, seed)) for seed, query in enumerate([*queries, queries[0]])]
    together = model.answer(worst_of(*each) for each in searches)
    for each, (found, trail, values) in zip(searches, together, strict=True):
        alone, own_trail, own_values = model.answer([worst_of(*each)])[0]
        assert found == alone
        np.testing.assert_allclose(trail, own_trail, rtol=1e-9)
        np.testing.assert_allclose(values, own_values, atol=1e-6)
        plain, own_trail, own_values = answered(worst_of(*each), lambda asked: by_blocks(model, asked))
        assert plain == found
        np.testing.assert_allclose(trail, own_trail, rtol=1e-9)
        np.testing.assert_allclose(values, own_values, atol=2e-6)


@pytest.mark.parametrize("family", ["gpt2", "bert", "t5"])
def test_readings_are_the_values_of_single_passes(family, shared_model, new_query):
    model = shared_model(family)
    queries = [new_query(model.kind, tokens=tokens, answer=2, seed=tokens) for tokens in (5, 6, 6)]
    neurons = [Neuron(layer, index) for layer in reversed(range(model.layer_count)) for index in (0, 7)]
    sets = [(), [(1, 7)], [(0, 0), (1, 3)], [(model.layer_count - 1, 7)]]

    def search():
        return (yield Reading(queries, sets, neurons))

    (found,) = model.answer([search()])
    assert found.shape == (3, 4, len(neurons))
    for number, own in enumerate(sets):
        with model.suppress(own):
            values = model.activations(queries)
        expected = values[:, [n.layer for n in neurons], [n.index for n in neurons]]
        np.testing.assert_allclose(found[:, number], expected, atol=2e-6)


def test_one_that_fails_ends_all(shared_model, new_query):
    model = shared_model("gpt2")

    def failing():
        yield Question([new_query("causal")], [[(0, 1)]])
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        model.answer([worst_of(new_query("causal"), neurons_of(model, 1)), failing()])


def test_in_turn_is_one_search(shared_model, new_query):
    model = shared_model("gpt2")
    each = [(new_query("causal", seed=seed), neurons_of(model, seed)) for seed in range(3)]
    (found,) = model.answer([in_turn(worst_of(*one) for one in each)])
    apart = model.answer(worst_of(*one) for one in each)
    assert [one[0] for one in found] == [one[0] for one in apart]


def test_what_asks_nothing_is_known_at_once(shared_model):
    assert answered(knowing(3)) == 3
    assert shared_model("gpt2").answer([knowing(1), in_turn([]), knowing(2)]) == [1, [], 2]
    assert shared_model("gpt2").answer([]) == []


def test_prompts_of_searches_run_once(new_model, new_query):
    """The blocks see each prompt's tokens once however many questions follow, and then rows alone."""
    model = new_model("llama")
    query, neurons = new_query("causal", tokens=12, answer=1), neurons_of(new_model("llama"), 3)
    model.answer([worst_of(query, neurons)])  # the check of the first time is not counted
    seen = []
    handle = model.backbone.layers[0].up.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape[1]))
    with torch.no_grad():
        model.answer([worst_of(query, neurons)])
    handle.remove()
    assert [tokens for tokens in seen if tokens == 12] == [12]
