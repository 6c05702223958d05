"""Examples as token ids: what is predicted where, and how much it counts."""

from __future__ import annotations

import pytest
from transformers import PreTrainedTokenizerBase

from factneurons.facts.types import Fact
from factneurons.pocket.corpus import make_examples
from factneurons.pocket.encoding import ask_examples, encode_causal, encode_cloze
from factneurons.pocket.vocabulary import train_tokenizer


@pytest.fixture
def causal(facts: list[Fact]) -> PreTrainedTokenizerBase:
    return train_tokenizer("gpt2", facts, 600, 32)


def test_every_example_is_asked_or_refused(facts: list[Fact], causal: PreTrainedTokenizerBase) -> None:
    examples = make_examples(facts)
    asked, refused = ask_examples(causal, examples, cloze=False)
    assert len(asked) + len(refused) == len(examples)
    assert refused
    assert all(example.prompt.right.strip(" .。?？") for example in refused)  # the blank is not at the end


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_causal_model_predicts_the_next_token(
    facts: list[Fact], causal: PreTrainedTokenizerBase, share: float
) -> None:
    """Only the answer's tokens, or those of the whole sentence, the answer's and what follows counting 1."""
    asked, refused = ask_examples(causal, make_examples(facts), cloze=False)
    encoded = encode_causal(causal, asked, refused, share, 0.25)
    assert len(encoded) == len(asked) + (len(refused) if share else 0)
    for item, example in zip(asked, encoded, strict=False):
        first = item.query.target_positions[0]
        assert example.positions[0] == (0 if share else first)
        assert example.weights == tuple(1.0 if place >= first else 0.25 for place in example.positions)
        sentence = (*example.input_ids, example.labels[-1])
        assert example.labels == tuple(sentence[place + 1] for place in example.positions)
        assert example.labels[first - example.positions[0] :][: len(item.query.answer_ids)] == item.query.answer_ids
        assert sentence[-1] == (causal.eos_token_id if share else item.query.answer_ids[-1])


def test_a_masked_model_predicts_the_answer_at_its_masks(facts: list[Fact]) -> None:
    tokenizer = train_tokenizer("bert", facts, 600, 32)
    asked, _ = ask_examples(tokenizer, make_examples(facts), cloze=True)
    for item, example in zip(asked, encode_cloze(asked), strict=True):
        assert {example.input_ids[place] for place in example.positions} == {tokenizer.mask_token_id}
        assert example.labels == item.query.answer_ids
        assert not set(example.noisy) & set(example.positions)
