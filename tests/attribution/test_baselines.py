"""Where paths start: zero, or the prompt without one of its words."""

from dataclasses import replace

import pytest
import torch

from factneurons.attribution.baselines import mean_baseline, sentence_baselines, units_of, zero_baseline
from factneurons.attribution.settings import AttributionSettings
from factneurons.models.passes.capture import capture

END, MASK = 1, 3


def items_of(queries):
    return [(row, (token,)) for row, query in enumerate(queries) for token in range(len(query.answer_ids))]


@pytest.fixture
def two(shared_model, new_query):
    """A model and two queries; of different lengths and so of different numbers of units where it can be."""

    def make(family):
        model = shared_model(family)
        first = new_query(model.kind, tokens=6, answer=2)
        tokens = 3 if model.kind == "causal" else 6
        second = new_query(model.kind, tokens=tokens, answer=2 if model.kind != "causal" else 1, seed=1)
        if model.kind != "causal":
            second = replace(second, replaceable=second.replaceable[:2])
        return model, [first, second]

    return make


def test_zero(shared_model, new_query):
    model = shared_model("gpt2")
    queries = [new_query("causal", answer=2), new_query("causal", tokens=4)]
    captured = capture(model.backbone, queries, items_of(queries))
    found = zero_baseline(model, captured, items_of(queries), AttributionSettings())
    assert found.real.tolist() == [[True]] * 3
    assert [start.shape for start in found.starts] == [(3, 1, 24)] * 3
    assert all(bool((start == 0).all()) for start in found.starts)


def test_one_path_per_word(every_family, two, slow_reference, family_row):
    """Each start is the layer's vector in the sentence without that word; prompts with fewer words are filled up."""
    model, queries = two(every_family)
    slow = slow_reference(model, every_family)
    items = items_of(queries)
    captured = capture(model.backbone, queries, items)
    found = sentence_baselines(model, captured, items, AttributionSettings())
    replacement = MASK if model.kind == "cloze" else END
    longest = max(len(query.replaceable) for query in queries)
    assert found.real.shape == (len(items), longest)
    for number, (row, (token,)) in enumerate(items):
        query = queries[row]
        assert found.real[number].tolist() == [place < len(query.replaceable) for place in range(longest)]
        for layer in range(model.layer_count):
            groups = [(place,) for place in query.replaceable]
            true = torch.stack(slow.baselines(query, replacement, groups, layer, token))
            start = found.starts[layer][number]
            allowed = 1e-10 if family_row[every_family].exact else 1e-5
            torch.testing.assert_close(start[: len(true)], true, rtol=allowed, atol=allowed)
            rest = start[len(true) :]  # paths of no length
            assert torch.equal(rest, captured.activations[layer][number].expand_as(rest))


@pytest.mark.parametrize("units", ["tokens", "words", "all"])
def test_mean(one_of_each, units, two):
    model, queries = two(one_of_each)
    items = items_of(queries)
    captured = capture(model.backbone, queries, items)
    settings = AttributionSettings(units=units)
    paths = sentence_baselines(model, captured, items, settings)
    found = mean_baseline(model, captured, items, settings)
    for start, whole in zip(found.starts, paths.starts, strict=True):
        true = torch.stack([whole[number][real].mean(0) for number, real in enumerate(paths.real)])
        torch.testing.assert_close(start[:, 0], true, rtol=1e-5 if one_of_each == "gptj" else 1e-10, atol=1e-12)


def test_units(new_query):
    causal = new_query("causal", tokens=4, answer=3)
    assert units_of(causal, "tokens", "causal") == [(0,), (1,), (2,), (3,)]
    assert units_of(causal, "words", "causal") == [(0, 1), (2,), (3,)]
    assert units_of(causal, "all", "causal") == [(0,), (1,), (2,), (3,)]  # the answer is no part of the prompt
    cloze = new_query("cloze", tokens=4, answer=2)  # [CLS] a b [MASK] [MASK] c d [SEP]
    assert units_of(cloze, "tokens", "cloze") == [(1,), (2,), (5,), (6,)]
    assert units_of(cloze, "words", "cloze") == [(1, 2), (5,), (6,)]
    assert units_of(cloze, "all", "cloze") == [(place,) for place in range(8)]
    trailing = replace(cloze, input_ids=cloze.input_ids[:5])  # a tokenizer that puts nothing after the masks
    assert units_of(trailing, "all", "cloze") == [(place,) for place in range(5)]
    paired = new_query("encoder-decoder", tokens=4, answer=2)  # a b c <sentinel> d </s>
    assert units_of(paired, "tokens", "encoder-decoder") == [(0,), (1,), (2,), (4,)]
    assert units_of(paired, "all", "encoder-decoder") == [(place,) for place in range(6)]


def test_a_prompt_of_nothing_but_its_blank_has_a_path_of_no_length(shared_model, new_query):
    model = shared_model("bert")
    query = replace(new_query("cloze"), replaceable=(), words=())
    assert units_of(query, "tokens", "cloze") == units_of(query, "words", "cloze") == [()]
    captured = capture(model.backbone, [query], [(0, (0,))])
    found = sentence_baselines(model, captured, [(0, (0,))], AttributionSettings())
    for start, value in zip(found.starts, captured.activations, strict=True):
        torch.testing.assert_close(start, value, rtol=1e-12, atol=1e-13)
