"""The fast path: every layer's rows in one pass give what a whole forward pass per row gives."""

import pytest
import torch

from factneurons.models.passes import fast_path
from factneurons.models.passes.attention import Unsupported
from factneurons.models.passes.capture import capture
from factneurons.models.passes.fast_path import fast_path_fits, values_and_gradients
from factneurons.models.passes.rows import run_rows
from factneurons.models.types import TARGETS


@pytest.fixture
def no_plain_loop(monkeypatch):
    """A test that takes this fails where the plain loop would quietly stand in."""

    def fail(*_):
        raise AssertionError("the plain loop was used")

    monkeypatch.setattr(fast_path, "plain_gradients", fail)


ITEMS = [(0, (0,)), (0, (1,)), (1, (0,)), (1, (1,))]


@pytest.mark.parametrize("target", TARGETS)
def test_every_row_is_a_whole_pass(
    fast_family, target, shared_model, new_query, slow_reference, no_plain_loop, compare, queries_of, random_points
):
    model = shared_model(fast_family)
    queries = queries_of(new_query, model.kind)
    captured = capture(model.backbone, queries, ITEMS)
    points = random_points(captured)
    found = values_and_gradients(model.backbone, captured, points, target)
    compare(slow_reference(model, fast_family), captured, queries, points, found, target, 1e-10)


def test_every_row_is_a_whole_pass_in_float32(
    fast_family, shared_model, new_query, slow_reference, no_plain_loop, compare, queries_of, random_points
):
    model = shared_model(fast_family, torch.float32)
    queries = queries_of(new_query, model.kind)
    captured = capture(model.backbone, queries, ITEMS)
    points = random_points(captured)
    found = values_and_gradients(model.backbone, captured, points, "probability")
    compare(slow_reference(model, fast_family), captured, queries, points, found, "probability", 5e-5)


@pytest.mark.parametrize("family", ["gpt2", "llama"])
@pytest.mark.parametrize("tokens", [1, 2, 12])
def test_shortest_and_longer_prompts(
    family, tokens, shared_model, new_query, slow_reference, no_plain_loop, compare, random_points
):
    """With one token there is no prefix at all."""
    model = shared_model(family)
    queries = [new_query("causal", tokens=tokens, answer=2)]
    captured = capture(model.backbone, queries, ITEMS[:2])
    points = random_points(captured)
    found = values_and_gradients(model.backbone, captured, points, "probability")
    slow = slow_reference(model, family)
    compare(slow, captured, queries, points, found, "probability", 1e-10, ITEMS[:2])


@pytest.mark.parametrize("family", ["bert", "llama"])
def test_unchanged_rows_give_the_unchanged_probability(family, shared_model, new_query, no_plain_loop, queries_of):
    model = shared_model(family)
    captured = capture(model.backbone, queries_of(new_query, model.kind), ITEMS)
    values, _ = values_and_gradients(model.backbone, captured, captured.activations, "log_probability")
    for value in values:
        torch.testing.assert_close(value, captured.log_probabilities, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("family", ["bert", "gpt2", "qwen3"])
def test_layers_may_be_left_out(family, shared_model, new_query, no_plain_loop, queries_of, random_points):
    model = shared_model(family)
    captured = capture(model.backbone, queries_of(new_query, model.kind), ITEMS)
    points = random_points(captured)
    values, slopes = values_and_gradients(model.backbone, captured, points, "probability")
    for alone in range(model.layer_count):
        only = [point if layer == alone else None for layer, point in enumerate(points)]
        value, slope = values_and_gradients(model.backbone, captured, only, "probability")
        assert [part is None for part in value] == [layer != alone for layer in range(model.layer_count)]
        torch.testing.assert_close(value[alone], values[alone], rtol=1e-12, atol=0)
        torch.testing.assert_close(slope[alone], slopes[alone], rtol=1e-10, atol=1e-15)


def test_layers_may_have_different_numbers_of_rows(
    shared_model, new_query, slow_reference, no_plain_loop, compare, queries_of, random_points
):
    model = shared_model("gpt2")
    queries = queries_of(new_query, "causal")
    captured = capture(model.backbone, queries, ITEMS)
    points = [point[:, :count].contiguous() for point, count in zip(random_points(captured, 3), (3, 1, 2), strict=True)]
    found = values_and_gradients(model.backbone, captured, points, "probability")
    assert [value.shape[1] for value in found[0]] == [3, 1, 2]
    compare(slow_reference(model, "gpt2"), captured, queries, points, found, "probability", 1e-10)


def block_rows(model, run):
    """How many tokens [calls of a block] each block was given while `run` ran."""
    seen = [[] for _ in model.backbone.layers]

    def count(store):
        def hook(module, inputs, options):
            hidden = inputs[0] if inputs else options["hidden_states"]
            store.append(hidden.shape[0] * hidden.shape[1])

        return hook

    handles = [
        layer.block.register_forward_pre_hook(count(store), with_kwargs=True)
        for layer, store in zip(model.backbone.layers, seen, strict=True)
    ]
    try:
        run()
    finally:
        for handle in handles:
            handle.remove()
    return seen


def test_a_row_costs_one_token_and_starts_at_its_layer(shared_model, new_query, random_points):
    """Block k carries the rows of the layers below k, whatever the prompt's length."""
    model = shared_model("llama")
    for tokens in (5, 20):
        captured = capture(model.backbone, [new_query("causal", tokens=tokens)], [(0, (0,))])
        points = random_points(captured, 7)
        fast_path_fits(model.backbone, captured)  # the check of the first time is not counted
        seen = block_rows(model, lambda c=captured, p=points: values_and_gradients(model.backbone, c, p, "probability"))
        assert seen == [[1], [7], [14]]


def test_an_encoder_row_is_its_prompt_and_starts_at_its_layer(shared_model, new_query, random_points):
    model = shared_model("bert")
    query = new_query("cloze", tokens=6)
    captured = capture(model.backbone, [query], [(0, (0,))])
    points = random_points(captured, 7)
    fast_path_fits(model.backbone, captured)
    length = len(query.input_ids)
    seen = block_rows(model, lambda: values_and_gradients(model.backbone, captured, points, "probability"))
    assert seen == [[length], [7 * length], [14 * length]]


@pytest.mark.parametrize("window", [1, 2, 5, 6, 7])
def test_a_sliding_window(
    window, new_model, new_query, slow_reference, no_plain_loop, monkeypatch, compare, queries_of, random_points
):
    """Shorter and longer than the prompts, which differ in length; the check of the first time has its own loop."""
    model = new_model("mistral", sliding_window=window)
    queries = queries_of(new_query, "causal")
    captured = capture(model.backbone, queries, ITEMS)
    points = random_points(captured)
    found = values_and_gradients(model.backbone, captured, points, "probability")
    compare(slow_reference(model, "mistral"), captured, queries, points, found, "probability", 1e-10)


def test_rows_of_a_model_that_does_not_fit_are_refused(shared_model, new_query):
    model = shared_model("bloom")
    captured = capture(model.backbone, [new_query("causal")], [(0, (0,))])
    with pytest.raises(Unsupported, match="without position ids"):
        run_rows(model.backbone, captured, [value[:, :, None] for value in captured.activations])


def test_half_precision_is_near(new_model, new_query):
    """bfloat16 has 8 bits: gradients point the same way, probabilities stay float32."""
    coarse, fine = new_model("llama", torch.bfloat16), new_model("llama", torch.float32)
    found = []
    for model in (coarse, fine):
        captured = capture(model.backbone, [new_query("causal")], [(0, (0,))])
        found.append(
            values_and_gradients(model.backbone, captured, [0.5 * a for a in captured.activations], "probability")
        )
    assert coarse.backbone.fast_path.fits
    for layer in range(3):
        (value, slope), (true, true_slope) = ((part[0][layer], part[1][layer]) for part in found)
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, true, rtol=0.1, atol=0)
        assert torch.cosine_similarity(slope.float().flatten(), true_slope.flatten(), dim=0) > 0.99
