"""The plain batched loop: right for every family, also the encoder-decoders that only it serves."""

import pytest
import torch

from factneurons.models.passes import plain
from factneurons.models.passes.capture import capture
from factneurons.models.passes.gradients import plain_gradients
from factneurons.models.passes.plain import plain_log_probabilities

ITEMS = [(0, (0,)), (0, (1,)), (1, (0,)), (1, (1,))]


@pytest.fixture
def case(shared_model, new_query):
    def make(family, dtype=torch.float64):
        model = shared_model(family, dtype)
        other = 4 if model.kind == "causal" else 6
        queries = [new_query(model.kind, answer=2), new_query(model.kind, tokens=other, answer=2, seed=1)]
        captured = capture(model.backbone, queries, ITEMS)
        generator = torch.Generator().manual_seed(3)
        points = [
            (2 * torch.rand(4, 2, value.shape[-1], generator=generator).to(value) * value).requires_grad_(True)
            for value in captured.activations
        ]
        return model, queries, captured, points

    return make


def tolerance(family_row, family, dtype=torch.float64):
    return 5e-5 if dtype == torch.float32 else 1e-10 if family_row[family].exact else 1e-5


@pytest.mark.parametrize("target", ["probability", "logit"])
def test_every_row_is_a_whole_pass(every_family, target, case, slow_reference, family_row):
    model, queries, captured, points = case(every_family)
    slow = slow_reference(model, every_family)
    values, slopes = plain_gradients(model.backbone, captured, points, target)
    for layer in range(model.layer_count):
        for item, (row, (token,)) in enumerate(ITEMS):
            for number, vector in enumerate(points[layer][item]):
                value, slope = slow.value_and_gradient(queries[row], token, layer, vector, target)
                allowed = tolerance(family_row, every_family)
                assert abs(float(values[layer][item, number]) - value) <= allowed * abs(value)
                assert (slopes[layer][item, number] - slope).abs().max() <= allowed * slope.abs().max()


@pytest.mark.parametrize("tokens_per_pass", [1, 17, 64])
def test_passes_may_be_small(one_of_each, tokens_per_pass, case, monkeypatch):
    """A pass holds as many rows as its tokens allow, at least one; gradients add up over passes."""
    model, _, captured, points = case(one_of_each)
    whole = plain_gradients(model.backbone, captured, points, "probability")
    monkeypatch.setattr(plain, "_TOKENS", tokens_per_pass)
    split = plain_gradients(model.backbone, captured, points, "probability")
    for one, other in zip((*whole[0], *whole[1]), (*split[0], *split[1]), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5 if one_of_each == "gptj" else 1e-10, atol=1e-14)


@pytest.mark.parametrize("everywhere", [False, True])
@pytest.mark.parametrize("tokens_per_pass", [1, 4096])
def test_suppressed_sets(
    one_of_each, everywhere, tokens_per_pass, shared_model, new_query, slow_reference, monkeypatch
):
    monkeypatch.setattr(plain, "_TOKENS", tokens_per_pass)
    model = shared_model(one_of_each)
    query = new_query(model.kind, answer=3)
    captured = capture(model.backbone, [query], [(0, (0, 1, 2))])
    sets = [{(0, 1): 0.0, (1, 2): 2.0}, {(1, 3): 0.5}, {}, {(0, 5): 0.0, (0, 6): 0.0}]
    found = plain_log_probabilities(model.backbone, captured, sets, everywhere=everywhere)
    true = [slow_reference(model, one_of_each, s).log_probability(query, everywhere=everywhere) for s in sets]
    torch.testing.assert_close(
        found, torch.tensor(true, dtype=torch.float64), rtol=0, atol=1e-5 if one_of_each == "gptj" else 1e-11
    )


def test_encoder_neurons_are_those_at_the_sentinel(shared_model, new_query, slow_reference):
    """And they matter: replacing them elsewhere or at the decoder's positions gives something else."""
    model = shared_model("t5")
    query = new_query("encoder-decoder", answer=2)
    captured = capture(model.backbone, [query], [(0, (0, 1))])
    assert [plain.places(model.backbone, captured, layer, torch.tensor([0])).tolist() for layer in range(4)] == [
        [[query.encoder_position]], [[query.encoder_position]], [[1, 2]], [[1, 2]],
    ]  # fmt: skip
    slow = slow_reference(model, "t5")
    for layer in range(4):
        positions = 1 if layer < 2 else 2
        assert captured.activations[layer].shape == (1, positions, model.width)
        for token in range(positions):
            torch.testing.assert_close(captured.activations[layer][0, token], slow.activation(query, layer, token))
