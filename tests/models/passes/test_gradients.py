"""Values and gradients by the plain loop: right for every family, also the encoder-decoders that only it serves."""

import pytest
import torch

from factneurons.models.passes import plain
from factneurons.models.passes.gradients import plain_gradients

ITEMS = [(0, (0,)), (0, (1,)), (1, (0,)), (1, (1,))]


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
