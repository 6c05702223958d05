"""Many neuron sets in one batch give what one `with` block per set gives."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from factneurons.errors import BadSetting
from factneurons.models import suppression
from factneurons.models.passes.attention import UnsupportedPrompt
from factneurons.models.query import placed
from factneurons.models.questions import Reading
from factneurons.models.types import Neuron

SETS = (
    [(0, 1), (1, 3), (1, 4)],
    [],
    [(1, 5)],
    [(1, 1), (0, 7), (1, 1), (0, 7)],  # repeated
    [(0, 2)],
    [(1, 0), (0, 0), (1, 23), (0, 23)],
    [Neuron(1, 9)],
    {(0, 1), (0, 2), (0, 3)},
)


@pytest.fixture
def sets_of():
    """SETS, and one over every layer of the model."""
    return lambda model: [*SETS, [(layer, 3 * layer) for layer in reversed(range(model.layer_count))]]


def one_by_one(model, query, sets, factors, positions="target"):
    found = []
    for neurons, factor in zip(sets, factors, strict=True):
        with model.scale_values(neurons, factor, positions=positions):
            found.append(model.probabilities([query])[0])
    return np.array(found)


def allowed(family_row, family):
    return 1e-10 if family_row[family].exact else 1e-4


@pytest.mark.parametrize("answer", [1, 3])
@pytest.mark.parametrize("factor", [0.0, 2.0])
def test_one_block_per_set(every_family, answer, factor, shared_model, new_query, sets_of, family_row, hooks_of):
    model = shared_model(every_family)
    query, sets = new_query(model.kind, answer=answer), sets_of(model)
    found = model.probabilities_with([query], sets, factor)[0]
    true = one_by_one(model, query, sets, [factor] * len(sets))
    assert (found.shape, found.dtype) == ((len(sets),), np.float64)
    np.testing.assert_allclose(found, true, rtol=allowed(family_row, every_family))
    assert len(set(found.round(12))) > 3
    assert hooks_of(model.backbone.module) == {}


@pytest.mark.parametrize("positions", ["target", "all"])
def test_a_factor_per_set(every_family, positions, shared_model, new_query, sets_of, family_row):
    model = shared_model(every_family)
    query, sets = new_query(model.kind, answer=2), sets_of(model)
    factors = [0.1 * number - 0.3 for number in range(len(sets))]
    found = model.probabilities_with([query], sets, factors, positions=positions)[0]
    true = one_by_one(model, query, sets, factors, positions)
    np.testing.assert_allclose(found, true, rtol=allowed(family_row, every_family))


@pytest.mark.parametrize("positions", ["subject_last", "subject", "all"])
def test_where_the_querys_neurons_are_meant(every_family, positions, shared_model, new_query, sets_of, slow_reference):
    """One plain whole pass per set; `with` blocks and values that are read act there too."""
    model = shared_model(every_family)
    query = placed(replace(new_query(model.kind, answer=2), subject=(1, 2)), positions)
    sets, allowed_error = sets_of(model), 1e-4
    true = [
        np.exp(slow_reference(model, every_family, dict.fromkeys(map(tuple, own), 0.0)).log_probability(query))
        for own in sets
    ]
    np.testing.assert_allclose(model.probabilities_with([query], sets)[0], true, rtol=allowed_error)
    np.testing.assert_allclose(one_by_one(model, query, sets, [0.0] * len(sets)), true, rtol=allowed_error)
    reading = Reading([query], [(), [(0, 2)]], [Neuron(0, 2), Neuron(1, 3)])
    (values,) = suppression.values_of(model.backbone, [reading])
    for number, own in enumerate(reading.neuron_sets):
        with model.suppress(own):
            expected = model.activations([query])[0]
        np.testing.assert_allclose(values[0, number], [expected[neuron] for neuron in reading.neurons], rtol=1e-5)
    assert values[0, 1, 0] == 0
    of_all = slow_reference(model, every_family)._values(query)
    where = slow_reference(model, every_family).places(query, 0)
    np.testing.assert_allclose(model.activations([query])[0, 0], of_all[0][list(where)].mean(0), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("positions", ["target", "all"])
def test_many_queries_at_once(every_family, positions, shared_model, new_query, sets_of, family_row):
    """Prompts of several lengths and answers of several tokens share passes, and get what each gets alone."""
    model, sizes = shared_model(every_family), [(6, 1), (9, 2), (4, 1), (5, 2), (7, 1)]
    queries = [new_query(model.kind, tokens=t, answer=a, seed=seed) for seed, (t, a) in enumerate(sizes)]
    sets = sets_of(model)
    factors = [0.1 * number - 0.3 for number in range(len(sets))]
    table = model.probabilities_with(queries, sets, factors, positions=positions)
    alone = [model.probabilities_with([query], sets, factors, positions=positions)[0] for query in queries]
    assert (table.shape, table.dtype) == ((5, len(sets)), np.float64)
    np.testing.assert_allclose(table, alone, rtol=allowed(family_row, every_family))
    assert model.probabilities_with([], sets).shape == (0, len(sets))
    assert model.probabilities_with(queries, []).shape == (5, 0)


def test_many_queries_on_which_the_blocks_give_up(new_model, new_query, sets_of, monkeypatch):
    model = new_model("gpt2")
    queries = [new_query("causal", tokens=tokens, seed=tokens) for tokens in (4, 6)]
    alone = model.probabilities_with(queries, sets_of(model))

    def give_up(*_):
        raise suppression.Unsupported("attention of another kind")

    monkeypatch.setattr(suppression, "run_rows", give_up)
    with pytest.warns(UserWarning, match="attention of another kind"):
        table = model.probabilities_with(queries, sets_of(model))
    np.testing.assert_allclose(table, alone, rtol=1e-9)


def test_against_the_slow_reference(one_of_each, shared_model, new_query, slow_reference, family_row):
    model = shared_model(one_of_each)
    query = new_query(model.kind, answer=2)
    sets = [{(0, 1): 0.3, (1, 3): 0.3}, {(1, 2): 0.3}]
    true = [slow_reference(model, one_of_each, factors).log_probability(query) for factors in sets]
    found = model.probabilities_with([query], sets, 0.3)[0]
    np.testing.assert_allclose(found, np.exp(true), rtol=allowed(family_row, one_of_each))


@pytest.mark.parametrize("family", ["bert", "gpt2", "llama"])
def test_in_float32(family, shared_model, new_query, sets_of):
    model = shared_model(family, torch.float32)
    query, sets = new_query(model.kind, answer=2), sets_of(model)
    true = one_by_one(model, query, sets, [0.0] * len(sets))
    np.testing.assert_allclose(model.probabilities_with([query], sets)[0], true, rtol=5e-5)


def test_no_neuron_is_the_untouched_model(every_family, shared_model, new_query):
    model = shared_model(every_family)
    query = new_query(model.kind, answer=2)
    untouched = model.probabilities([query])[0]
    np.testing.assert_allclose(model.probabilities_with([query], [[], []])[0], [untouched] * 2, rtol=1e-9)
    assert model.probabilities_with([query], [])[0].shape == (0,)
    changed = model.probabilities_with([query], [[(0, 0)], [(1, 1)]], 1.0)[0]
    np.testing.assert_allclose(changed, [untouched] * 2, rtol=1e-4 if every_family == "gpt_neo" else 1e-6)


@pytest.mark.parametrize("rows", [1, 2, 5])
@pytest.mark.parametrize("family", ["bert", "gpt2", "t5"])
def test_small_batches_change_nothing(family, rows, shared_model, new_query, sets_of, monkeypatch):
    model = shared_model(family)
    query, sets = new_query(model.kind, answer=2), sets_of(model)
    whole = model.probabilities_with([query], sets)[0]
    monkeypatch.setattr(suppression, "_ROWS", rows * 2)
    monkeypatch.setattr(suppression, "_ENCODER_TOKENS", rows * len(query.input_ids))
    np.testing.assert_allclose(model.probabilities_with([query], sets)[0], whole, rtol=1e-12)


def test_order_of_sets_changes_nothing(one_of_each, shared_model, new_query, sets_of, family_row):
    model = shared_model(one_of_each)
    query, sets = new_query(model.kind, answer=2), sets_of(model)
    whole = model.probabilities_with([query], sets)[0]
    order = np.random.default_rng(0).permutation(len(sets))
    shuffled = model.probabilities_with([query], [sets[number] for number in order])[0]
    np.testing.assert_allclose(shuffled, whole[order], rtol=1e-12 if family_row[one_of_each].exact else 1e-4)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.sets(st.tuples(st.integers(0, 2), st.integers(0, 23)), max_size=6), min_size=1, max_size=6),
    st.floats(-1, 3),
    st.integers(1, 3),
)
@pytest.mark.parametrize("family", ["bert", "llama"])
def test_any_sets(shared_model, new_query, family, sets, factor, answer):
    model = shared_model(family)
    query = new_query(model.kind, answer=answer, seed=answer)
    true = one_by_one(model, query, sets, [factor] * len(sets))
    np.testing.assert_allclose(model.probabilities_with([query], sets, factor)[0], true, rtol=1e-9)


def test_inside_an_intervention(one_of_each, shared_model, new_query, slow_reference, family_row):
    """The outer intervention stays in force, and the inner factors come on top of it."""
    model = shared_model(one_of_each)
    query = new_query(model.kind, answer=2)
    outer = {(0, 1): 0.0, (1, 2): 0.5}
    cases = [({}, {}), ({(1, 3): 2.0}, {}), ({(1, 2): 2.0}, {(1, 2): 1.0}), ({(0, 5): 2.0, (1, 6): 2.0}, {})]
    true = [
        slow_reference(model, one_of_each, {**outer, **inner, **both}).log_probability(query) for inner, both in cases
    ]
    with model.suppress([(0, 1)]), model.scale_values([(1, 2)], 0.5):
        found = model.probabilities_with([query], [inner for inner, _ in cases], 2.0)[0]
    np.testing.assert_allclose(found, np.exp(true), rtol=allowed(family_row, one_of_each))


def test_inside_changed_weights(shared_model, new_query, sets_of):
    model = shared_model("gpt2")
    query, sets = new_query("causal", answer=2), sets_of(model)
    with model.scale_weights([(0, 4), (2, 5)], 2.0):
        found = model.probabilities_with([query], sets)[0]
        true = one_by_one(model, query, sets, [0.0] * len(sets))
    np.testing.assert_allclose(found, true, rtol=1e-10)


def test_one_pass_over_the_prompt_however_many_sets(shared_model, new_query):
    """In a causal model a set costs its target positions, from the lowest layer it touches."""
    model = shared_model("llama")
    query = new_query("causal", tokens=12, answer=2)
    sets = [[(0, 1)]] * 4 + [[(1, 1)]] * 5 + [[(2, 1)]] * 6 + [[]] * 3
    model.probabilities_with([query], sets)  # the check of the first time is not counted
    seen = [[] for _ in model.backbone.layers]
    handles = [
        layer.up.register_forward_pre_hook(lambda _, inputs, s=store: s.append(inputs[0].shape[0] * inputs[0].shape[1]))
        for layer, store in zip(model.backbone.layers, seen, strict=True)
    ]
    try:
        model.probabilities_with([query], sets)
    finally:
        for handle in handles:
            handle.remove()
    assert seen == [[13, 2], [13, 4 * 2], [13, 9 * 2]]


@pytest.mark.parametrize("window", [1, 2, 6, 7, 8])
def test_a_sliding_window(window, new_model, new_query, sets_of, monkeypatch):
    model = new_model("mistral", sliding_window=window)
    query, sets = new_query("causal", tokens=6, answer=3), sets_of(model)  # 8 tokens in all
    monkeypatch.setattr(suppression, "plain_log_probabilities", None)
    found = model.probabilities_with([query], sets)[0]
    np.testing.assert_allclose(found, one_by_one(model, query, sets, [0.0] * len(sets)), rtol=1e-10)


def test_prompts_that_do_not_fit_take_the_plain_loop_alone(new_model, new_query, sets_of, monkeypatch):
    model = new_model("gpt2")
    queries = [new_query("causal", tokens=tokens, seed=tokens) for tokens in (4, 6)]
    alone = model.probabilities_with(queries, sets_of(model))
    real = suppression.run_rows

    def give_up(model, captured, *rest):
        if captured.batch.input_ids.shape[1] == 6:
            raise UnsupportedPrompt("too long")
        return real(model, captured, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(suppression, "run_rows", give_up)
        with pytest.warns(UserWarning, match=r"\(too long\)") as caught:
            tables = [model.probabilities_with(queries, sets_of(model)) for _ in range(2)]
    assert len(caught) == 1
    np.testing.assert_allclose(tables, [alone, alone], rtol=1e-9)
    monkeypatch.setattr(suppression, "plain_log_probabilities", None)
    np.testing.assert_allclose(model.probabilities_with(queries, sets_of(model)), alone, rtol=1e-12)


@pytest.mark.parametrize("factor", [2, np.float32(2), np.float64(2), np.array([2.0] * 3), (2, 2.0, 2)])
def test_kinds_of_factors(factor, shared_model, new_query):
    model, query = shared_model("gpt2"), new_query("causal")
    found = model.probabilities_with([query], SETS[:3], factor)[0]
    np.testing.assert_array_equal(found, model.probabilities_with([query], SETS[:3], 2.0)[0])


class TestBadInput:
    def test_other_number_of_factors(self, shared_model, new_query):
        with pytest.raises(BadSetting, match="3 neuron sets need one factor or as many, not 2"):
            shared_model("gpt2").probabilities_with([new_query("causal")], SETS[:3], [0.0, 1.0])

    def test_neuron_out_of_range(self, shared_model, new_query):
        with pytest.raises(BadSetting, match=r"has no neuron \(3, 0\)"):
            shared_model("gpt2").probabilities_with([new_query("causal")], [[(0, 0)], [(3, 0)]])

    @pytest.mark.parametrize("sets", [[], [[]], [[(0, 1)]]])
    def test_unknown_positions(self, sets, shared_model, new_query):
        with pytest.raises(BadSetting, match="positions is 'last': it must be one of: target, all"):
            shared_model("gpt2").probabilities_with([new_query("causal")], sets, positions="last")
