"""What an unchanged model answers: probabilities, ranks and activations, in any batch and any order."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from factneurons.models import probabilities as asking


@pytest.fixture
def many(new_query):
    """Queries of different lengths and numbers of answer tokens."""
    shapes = [(6, 1), (3, 2), (6, 3), (1, 1), (6, 1), (9, 2), (3, 2)]
    return lambda kind: [
        new_query(kind, tokens=tokens + (kind != "causal"), answer=answer, seed=seed)
        for seed, (tokens, answer) in enumerate(shapes)
    ]


def close_enough(family_row, family):
    return 1e-11 if family_row[family].exact else 1e-5


def test_log_probabilities(every_family, shared_model, many, slow_reference, family_row):
    model = shared_model(every_family)
    slow = slow_reference(model, every_family)
    queries = many(model.kind)
    found = model.log_probabilities(queries)
    assert found.dtype == np.float64
    true = [slow.log_probability(query) for query in queries]
    np.testing.assert_allclose(found, true, rtol=0, atol=close_enough(family_row, every_family))
    np.testing.assert_array_equal(model.probabilities(queries), np.exp(found))


def test_log_probabilities_in_float32(every_family, shared_model, many, slow_reference):
    model = shared_model(every_family, torch.float32)
    slow = slow_reference(model, every_family)
    queries = many(model.kind)
    found = model.log_probabilities(queries)
    np.testing.assert_allclose(found, [slow.log_probability(query) for query in queries], rtol=0, atol=1e-4)


@pytest.mark.parametrize("tokens", [1, 20, 60])
def test_batches_and_order_change_nothing(one_of_each, tokens, shared_model, many, monkeypatch, family_row):
    model, queries = shared_model(one_of_each), many(shared_model(one_of_each).kind)
    whole, evaluated = model.log_probabilities(queries), model.evaluate(queries)
    monkeypatch.setattr(asking, "_TOKENS", tokens)
    order = np.random.default_rng(tokens).permutation(len(queries))
    shuffled = [queries[number] for number in order]
    allowed = 1e-12 if family_row[one_of_each].exact else 1e-5
    np.testing.assert_allclose(model.log_probabilities(shuffled), whole[order], rtol=0, atol=allowed)
    for number, found in zip(order, model.evaluate(shuffled), strict=True):
        assert (found.rank, found.prediction) == (evaluated[number].rank, evaluated[number].prediction)
        assert found.log_probability == pytest.approx(evaluated[number].log_probability, abs=allowed)


def test_evaluate(one_of_each, shared_model, many, slow_reference, family_row):
    model = shared_model(one_of_each)
    slow = slow_reference(model, one_of_each)
    queries = many(model.kind)
    for query, found in zip(queries, model.evaluate(queries), strict=True):
        table = slow.logits(query)[list(query.target_positions)].double()
        gold = torch.tensor(query.answer_ids)[:, None]
        tokens = table.log_softmax(-1).gather(1, gold)[:, 0]
        allowed = close_enough(family_row, one_of_each)
        assert found.token_log_probabilities == pytest.approx(tokens.tolist(), abs=allowed)
        assert found.log_probability == pytest.approx(sum(found.token_log_probabilities), abs=1e-12)
        assert found.rank == max(1 + (table > table.gather(1, gold)).sum(-1).tolist()[i] for i in range(len(gold)))
        assert found.prediction == " ".join(str(token) for token in table.argmax(-1).tolist())


def test_rank_1_is_the_models_own_prediction(shared_model, new_query, slow_reference):
    model = shared_model("gpt2")
    query = new_query("causal")
    top = int(slow_reference(model, "gpt2").logits(query)[-1].argmax())
    (found,) = model.evaluate([replace(query, answer_ids=(top,))])
    assert (found.rank, found.prediction) == (1, str(top))


def test_activations_are_the_mean_over_target_positions(every_family, shared_model, many, slow_reference):
    model = shared_model(every_family)
    slow = slow_reference(model, every_family)
    queries = many(model.kind)[:3]
    found = model.activations(queries)
    assert (found.shape, found.dtype) == ((3, model.layer_count, model.width), np.float32)
    for row, query in enumerate(queries):
        for layer in range(model.layer_count):
            places = range(len(slow.places(query, layer)))
            true = torch.stack([slow.activation(query, layer, token) for token in places]).mean(0)
            np.testing.assert_allclose(found[row, layer], true, rtol=1e-4, atol=1e-5)
