"""Examples to token ids: what the model reads, which tokens it must predict, and how much each counts.

Prompts that can be asked are encoded by the public query code, so what is trained is what is measured.
"""

from __future__ import annotations

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
    context_weight: float,
) -> list[EncodedExample]:
    """Whole sentences that end with the end-of-sequence token.

    Answer tokens and what follows them count 1, the context before them `context_weight`; a sentence that
    cannot be asked (its answer is not at the end) is plain text and counts `context_weight` throughout.
    """
    encoded = []
    for item in asked:
        known = (*item.query.input_ids, item.query.answer_ids[-1])
        full = tuple(tokenizer(item.example.text)["input_ids"])
        tail = full[len(known) :] if full[: len(known)] == known else ()
        first = item.query.target_positions[0]
        encoded.append(_sentence(tokenizer, (*known, *tail), first, item.query.replaceable, context_weight))
    if context_weight > 0:
        for example in refused:
            ids = tuple(tokenizer(example.text)["input_ids"])[: tokenizer.model_max_length - 1]
            encoded.append(_sentence(tokenizer, ids, len(ids), (), context_weight))
    return encoded


def _sentence(
    tokenizer: PreTrainedTokenizerBase,
    ids: tuple[int, ...],
    first: int,
    noisy: tuple[int, ...],
    context_weight: float,
) -> EncodedExample:
    """The sentence with the end token; predictions from position `first` on count 1."""
    whole = (*ids, int(tokenizer.eos_token_id))
    start = first if context_weight == 0 else 0
    positions = tuple(range(start, len(whole) - 1))
    return EncodedExample(
        input_ids=whole[:-1],
        positions=positions,
        labels=tuple(whole[position + 1] for position in positions),
        weights=tuple(1.0 if position >= first else context_weight for position in positions),
        noisy=noisy,
    )
