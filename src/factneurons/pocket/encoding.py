"""Examples to token ids: what the model reads, which tokens it must predict, and how much each counts.

Prompts that can be asked are encoded by the public query code, so what is trained is what is measured.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from factneurons.errors import NotAskable
from factneurons.models.query import build_query
from factneurons.models.types import Query
from factneurons.pocket.corpus import Example


@dataclass(frozen=True, slots=True)
class EncodedExample:
    """One training sentence.

    Attributes:
        input_ids: the T tokens the model reads.
        positions: where a prediction is asked for.
        labels: the token to be predicted at each of `positions`.
        weights: the weight of each prediction's loss.
        noisy: positions whose token noise may replace: neither special nor part of the answer.
    """

    input_ids: tuple[int, ...]
    positions: tuple[int, ...]
    labels: tuple[int, ...]
    weights: tuple[float, ...]
    noisy: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AskedExample:
    """An example that the model can be asked, as a query."""

    example: Example
    query: Query


def ask_examples(
    tokenizer: PreTrainedTokenizerBase, examples: Sequence[Example], *, cloze: bool
) -> tuple[list[AskedExample], list[Example]]:
    """The examples as queries, several-token answers included, and those that this kind cannot be asked."""
    asked, refused = [], []
    for example in examples:
        try:
            query = build_query(
                tokenizer,
                "cloze" if cloze else "causal",
                example.prompt,
                example.fact.answer,
                multi_mask=cloze,
                max_length=tokenizer.model_max_length,
            )
        except NotAskable:
            refused.append(example)
        else:
            asked.append(AskedExample(example, query))
    return asked, refused


def encode_cloze(asked: Sequence[AskedExample]) -> list[EncodedExample]:
    """Masked sentences: the answer's tokens are predicted at their masks, all at once."""
    return [
        EncodedExample(
            input_ids=query.input_ids,
            positions=query.target_positions,
            labels=query.answer_ids,
            weights=(1.0,) * len(query.answer_ids),
            noisy=query.replaceable,
        )
        for query in (item.query for item in asked)
    ]


def encode_causal(
    tokenizer: PreTrainedTokenizerBase,
    asked: Sequence[AskedExample],
    refused: Sequence[Example],
    context_share: float,
    context_weight: float,
) -> list[EncodedExample]:
    """Sentences of which only the answer is predicted, and a share of them that are plain text throughout.

    The context of a fact cannot be known (which subject comes next is chance), so predicting it everywhere
    would cost half of the time and most of the capacity; a share of the sentences, chosen by a hash, is enough
    to learn how sentences go on and end. There, tokens before the answer count `context_weight`, the answer
    and what follows it, the end-of-sequence token included, count 1. A sentence that cannot be asked (its
    answer is not at the end) is trained only as plain text, if it is in the share.
    """
    encoded = []
    for item in asked:
        known = (*item.query.input_ids, item.query.answer_ids[-1])
        first = item.query.target_positions[0]
        noisy = item.query.replaceable
        if _in_share(item.example.text, context_share):
            full = tuple(tokenizer(item.example.text)["input_ids"])
            tail = full[len(known) :] if full[: len(known)] == known else ()
            whole = (*known, *tail, int(tokenizer.eos_token_id))
            encoded.append(_sentence(whole, 0, first, noisy, context_weight))
        else:
            encoded.append(_sentence(known, first, first, noisy, context_weight))
    for example in refused:
        if _in_share(example.text, context_share):
            ids = tuple(tokenizer(example.text)["input_ids"])[: tokenizer.model_max_length - 1]
            encoded.append(_sentence((*ids, int(tokenizer.eos_token_id)), 0, len(ids), (), context_weight))
    return encoded


def _in_share(text: str, share: float) -> bool:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) < share * 2**32


def _sentence(
    whole: tuple[int, ...], start: int, first: int, noisy: tuple[int, ...], context_weight: float
) -> EncodedExample:
    """Predictions are asked for from position `start` on, and count 1 from position `first` on."""
    positions = tuple(range(start, len(whole) - 1))
    return EncodedExample(
        input_ids=whole[:-1],
        positions=positions,
        labels=tuple(whole[position + 1] for position in positions),
        weights=tuple(1.0 if position >= first else context_weight for position in positions),
        noisy=noisy,
    )
