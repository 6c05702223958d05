"""The plain batched loop: right for every family, also the encoder-decoders that only it serves."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from factneurons.attribution.attribute import attribute_all
from factneurons.models.passes import plain, selfcheck
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


@pytest.mark.filterwarnings("ignore:.*fast path does not fit")
@pytest.mark.parametrize("family", ["gptj", "gpt_neo", "bloom"])
def test_target_positions_behind_the_stored_past_are_whole_prompts(family, new_model, new_query):
    """Queries of different lengths, two answer tokens, one capture; open changes and other places go the long way."""
    model = new_model(family)
    queries = [new_query("causal", answer=2, seed=seed) for seed in range(3)]
    queries[1] = replace(
        queries[1], input_ids=queries[1].input_ids[2:],
        target_positions=tuple(place - 2 for place in queries[1].target_positions), replaceable=(), words=(),
    )  # fmt: skip
    sets, how = [[(0, 1), (1, 5)], [(0, 3)], [(1, 0)]], {"rule": "gauss_legendre", "points": 3}
    asked = []

    def found():
        asked.clear()
        model.backbone.fast_path.fits = False
        scores = [attribute_all(model, queries, method=method, **how) for method in ("joint", "dai", "suppression")]
        drops = model.probabilities_with(queries, sets)
        return [drops, *(each.scores for of_method in scores for each in of_method)]

    def note(module, inputs, options):
        asked.append((inputs[0] if inputs else options["hidden_states"]).shape[:2])

    model.backbone.layers[0].block.register_forward_pre_hook(note, with_kwargs=True)
    ends = found()
    assert model.backbone.fast_path.takes_past
    assert min(tokens for _, tokens in asked) == 1
    short = sum(rows * tokens for rows, tokens in asked)
    model.backbone.fast_path.takes_past = False
    for one, other in zip(ends, found(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-10)
    assert sum(rows * tokens for rows, tokens in asked) > 2 * short
    model.backbone.fast_path.takes_past = True
    with model.scale_values([(0, 1)], 0.0, positions="all"):
        opened = model.probabilities_with(queries, [[(1, 5)]])
        assert not plain.uses_past(model.backbone, capture(model.backbone, queries, [(0, (0,))]))
    model.backbone.fast_path.takes_past = False
    with model.scale_values([(0, 1)], 0.0, positions="all"):
        np.testing.assert_allclose(opened, model.probabilities_with(queries, [[(1, 5)]]), rtol=1e-6)


def test_a_model_whose_past_changes_nothing_takes_none(new_model, new_query):
    model = new_model("gptj")
    model.backbone.fast_path.fits = False
    block = model.backbone.layers[0].block
    original = block.forward

    def forward(*inputs, **options):
        options["layer_past"] = None
        return original(*inputs, **options)

    block.forward = forward
    query = new_query("causal")
    assert not selfcheck.takes_past(model.backbone, capture(model.backbone, [query], [(0, (0,))]))
