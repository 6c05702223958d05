"""Several threads on one model: each has its own changes of values, passes take turns, changed weights are refused."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from factneurons.attribution.attribute import attribute_all
from factneurons.errors import BadSetting
from factneurons.models.threads import Own, Turns
from factneurons.models.types import Neuron


@contextmanager
def elsewhere(block):
    """The block, open in another thread while this one goes on."""
    inside, leave = threading.Event(), threading.Event()

    def hold():
        with block:
            inside.set()
            leave.wait()

    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(hold)
        inside.wait()
        try:
            yield
        finally:
            leave.set()
            held.result()


def every_neuron(model):
    return [Neuron(layer, index) for layer in range(model.layer_count) for index in range(model.width)]


@pytest.mark.parametrize("positions", ["target", "all"])
def test_an_open_change_is_of_its_thread(one_of_each, positions, shared_model, new_query):
    model = shared_model(one_of_each)
    queries = [new_query(model.kind, answer=2, seed=seed) for seed in range(2)]
    sets = [(), [Neuron(0, 1)], [Neuron(1, 2)]]
    alone = model.probabilities(queries), model.probabilities_with(queries, sets)
    scores = attribute_all(model, queries, method="joint")
    with elsewhere(model.suppress(every_neuron(model), positions=positions)):
        beside = model.probabilities(queries), model.probabilities_with(queries, sets)
        again = attribute_all(model, queries, method="joint")
        with model.enhance([Neuron(0, 1)]):
            both = model.probabilities(queries)
    with model.enhance([Neuron(0, 1)]):
        assert np.array_equal(both, model.probabilities(queries))
    assert all(np.array_equal(one, other) for one, other in zip(alone, beside, strict=True))
    assert all(np.array_equal(one.scores, other.scores) for one, other in zip(scores, again, strict=True))


def test_many_threads_give_what_one_gives(one_of_each, shared_model, new_query, hooks_of):
    model = shared_model(one_of_each)
    queries = [new_query(model.kind, answer=2, tokens=4 + seed % 3, seed=seed) for seed in range(8)]
    before = torch.backends.mkldnn.matmul.fp32_precision

    def work(query):
        with model.suppress([Neuron(0, int(query.input_ids[-1]) % model.width)]):
            scores = attribute_all(model, [query], method="dai")[0].scores
            return scores, model.probabilities([query]), model.activations([query])

    expected = [work(query) for query in queries]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(work, queries * 2))
    for one, other in zip(expected * 2, found, strict=True):
        assert all(np.array_equal(left, right) for left, right in zip(one, other, strict=True))
    assert hooks_of(model.backbone.module) == {}
    assert torch.backends.mkldnn.matmul.fp32_precision == before


def test_changed_weights_are_everybodys(new_model, new_query):
    model = new_model("gpt2")
    query = new_query("causal")
    alone = model.probabilities([query])
    with elsewhere(model.scale_weights([Neuron(0, 1)], 0.0)):
        with pytest.raises(BadSetting, match="tiny gpt2: another thread has changed its weights for a while; ask when"):
            model.probabilities([query])
        with pytest.raises(BadSetting, match="another thread"), model.scale_weights([Neuron(0, 2)], 0.0):
            pass
    assert np.array_equal(model.probabilities([query]), alone)
    with model.scale_weights([Neuron(0, 1)], 0.0):
        inside = model.probabilities([query])
        with model.scale_weights([Neuron(0, 2)], 0.0):
            pass
        assert np.array_equal(model.probabilities([query]), inside)


def test_who_waits_for_an_exception_is_let_in():
    turns = Turns("a model")
    with pytest.raises(ZeroDivisionError), turns.turn(), turns.writing():
        raise ZeroDivisionError
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(lambda: turns.turn().__enter__()).result(5) is None


def test_a_new_thread_has_nothing_open():
    own = Own()
    own.interventions.append(None)
    own.rows_only = True
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(lambda: (own.interventions, own.rows_only, own.targets)).result() == ([], False, None)
