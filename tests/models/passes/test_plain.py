"""The plain batched loop: right for every family, also the encoder-decoders that only it serves."""

from dataclasses import replace

import pytest
import torch

from factneurons.models.passes import plain
from factneurons.models.passes.capture import capture
from factneurons.models.passes.plain import plain_log_probabilities

ITEMS = [(0, (0,)), (0, (1,)), (1, (0,)), (1, (1,))]


def tolerance(family_row, family, dtype=torch.float64):
    return 5e-5 if dtype == torch.float32 else 1e-10 if family_row[family].exact else 1e-5


@pytest.mark.parametrize("everywhere", [False, True])
@pytest.mark.parametrize("tokens_per_pass", [1, 4096])
def test_suppressed_sets(
    one_of_each, everywhere, tokens_per_pass, shared_model, new_query, slow_reference, monkeypatch
):
    monkeypatch.setattr(plain, "_TOKENS", tokens_per_pass)
    model = shared_model(one_of_each)
    query = replace(new_query(model.kind, answer=3), positions="all" if everywhere else "target")
    captured = capture(model.backbone, [query], [(0, (0, 1, 2))])
    sets = [{(0, 1): 0.0, (1, 2): 2.0}, {(1, 3): 0.5}, {}, {(0, 5): 0.0, (0, 6): 0.0}]
    found = plain_log_probabilities(model.backbone, captured, sets)
    true = [slow_reference(model, one_of_each, s).log_probability(query, everywhere=everywhere) for s in sets]
    torch.testing.assert_close(
        found, torch.tensor(true, dtype=torch.float64), rtol=0, atol=1e-5 if one_of_each == "gptj" else 1e-11
    )
