"""What is trained is what is asked: queries of the public code, and only the answer counts in full."""

from __future__ import annotations

from itertools import pairwise

import pytest

from factneurons.models.query import build_query
from factneurons.pocket.corpus import make_examples
from factneurons.pocket.encoding import ask_examples, encode_causal, encode_cloze
from factneurons.pocket.vocabulary import train_tokenizer


@pytest.fixture
def causal(facts):
    tokenizer = train_tokenizer("gpt2", facts, 600, 32)
    return tokenizer, *ask_examples(tokenizer, make_examples(facts), cloze=False)


def test_every_example_is_asked_by_the_public_query_or_refused(causal, facts):
    tokenizer, asked, refused = causal
    assert len(asked) + len(refused) == len(list(make_examples(facts)))
    assert {example.prompt.blank_position for example in refused} == {"start"}
    for item in asked:
        example = item.example
        assert item.query == build_query(
            tokenizer, "causal", example.prompt, example.fact.answer, max_length=tokenizer.model_max_length
        )


def test_a_masked_model_predicts_the_answer_at_its_masks(facts):
    tokenizer = train_tokenizer("bert", facts, 600, 32)
    asked, refused = ask_examples(tokenizer, make_examples(facts), cloze=True)
    assert refused == []
    for item, encoded in zip(asked, encode_cloze(asked), strict=True):
        assert {encoded.input_ids[place] for place in encoded.positions} == {tokenizer.mask_token_id}
        filled = list(encoded.input_ids)
        for place, label in zip(encoded.positions, encoded.labels, strict=True):
            filled[place] = label
        text = tokenizer.decode(filled, skip_special_tokens=True).replace(" ", "").lower()
        assert text == item.example.text.replace(" ", "").lower()
        assert not set(encoded.noisy) & set(encoded.positions)
        assert set(encoded.weights) == {1.0}


def test_without_context_only_the_answer_is_predicted(causal):
    tokenizer, asked, refused = causal
    encoded = encode_causal(tokenizer, asked, refused, context_share=0.0, context_weight=0.1)
    assert len(encoded) == len(asked)
    for item, each in zip(asked, encoded, strict=True):
        assert (each.positions, each.labels) == (item.query.target_positions, item.query.answer_ids)
        assert set(each.weights) == {1.0}
        assert each.input_ids == item.query.input_ids


def test_with_all_context_every_token_is_predicted_from_those_before_it(causal):
    tokenizer, asked, refused = causal
    encoded = encode_causal(tokenizer, asked, refused, context_share=1.0, context_weight=0.25)
    assert len(encoded) == len(asked) + len(refused)
    for item, each in zip(asked, encoded, strict=False):
        assert each.positions == tuple(range(len(each.input_ids)))
        assert each.labels[:-1] == each.input_ids[1:]
        assert each.labels[-1] == tokenizer.eos_token_id
        first = item.query.target_positions[0]
        assert each.weights == (0.25,) * first + (1.0,) * (len(each.positions) - first)
        assert tokenizer.decode(each.input_ids).strip() == item.example.text
    for example, each in zip(refused, encoded[len(asked) :], strict=True):
        assert tokenizer.decode(each.input_ids).strip() == example.text
        assert set(each.weights[:-1]) <= {0.25}


def test_a_larger_share_has_the_smaller_ones_sentences_too(causal):
    tokenizer, asked, _ = causal
    found = []
    for share in (0.0, 0.2, 0.5, 0.8, 1.0):
        encoded = encode_causal(tokenizer, asked, [], context_share=share, context_weight=0.1)
        found.append({place for place, each in enumerate(encoded) if each.positions[0] == 0})
    assert all(few <= many for few, many in pairwise(found))
    assert [len(found[0]), len(found[-1])] == [0, len(asked)]
