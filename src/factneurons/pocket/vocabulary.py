"""Tokenizers of the pocket models, trained on the facts in all their languages.

Real classes with their usual rules, so that they behave like their large relatives: GPT-2's byte-level BPE,
LLaMA's BPE with spaces as "▁" and bytes as a fallback, BERT's cased WordPiece. Texts in Chinese have no
spaces; the tokenizers are trained on answers, subjects and the words between them apart, so a name is mostly
one to three tokens and no token spans the border between an answer and what stands before it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import BertTokenizer, GPT2Tokenizer, LlamaTokenizer, PreTrainedTokenizerBase

from factneurons.facts.types import Fact
from factneurons.pocket.corpus import vocabulary_pieces
from factneurons.settings import check_choice

ANSWER_REPEATS = 8
"""How often an answer counts for a subject's or context's once: answers are to be few tokens."""

_BERT_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
_LLAMA_SPECIAL = ["<unk>", "<s>", "</s>"]
_GPT2_SPECIAL = ["<|endoftext|>"]


def train_tokenizer(
    architecture: str, facts: Sequence[Fact], vocabulary_size: int, positions: int
) -> PreTrainedTokenizerBase:
    """A tokenizer of the architecture's own kind, trained on the facts.

    Raises:
        BadSetting: the architecture is unknown.
    """
    check_choice("architecture", architecture, _TRAINERS)
    answers, subjects, contexts = vocabulary_pieces(facts)
    tokenizer = _TRAINERS[architecture](answers, [*subjects, *contexts], vocabulary_size)
    tokenizer.model_max_length = positions
    return tokenizer


def _train_gpt2(answers: Sequence[str], others: Sequence[str], size: int) -> PreTrainedTokenizerBase:
    pieces = [*list(answers) * ANSWER_REPEATS, *others]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=_GPT2_SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(pieces, trainer)
    model = _model_of(tokenizer)
    return GPT2Tokenizer(vocab=model["vocab"], merges=_merges_of(model), pad_token=_GPT2_SPECIAL[0])


def _train_llama(answers: Sequence[str], others: Sequence[str], size: int) -> PreTrainedTokenizerBase:
    pieces = [*list(answers) * ANSWER_REPEATS, *others]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="never", split=True)
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=[*_LLAMA_SPECIAL, *bytes_], initial_alphabet=["▁"], show_progress=False
    )
    tokenizer.train_from_iterator((text for piece in pieces for text in _as_llama_writes(piece)), trainer)
    model = _model_of(tokenizer)
    return LlamaTokenizer(vocab=model["vocab"], merges=_merges_of(model), pad_token="</s>", add_bos_token=True)


def _as_llama_writes(piece: str) -> list[str]:
    """LLaMA writes a space before a text's first word, so a Latin word always has one before it.

    A number has one in English and none in Chinese.
    """
    if piece.isdigit():
        return [piece, f" {piece}"]
    return [f" {piece}"] if piece[0].isascii() and piece[0].isalnum() else [piece]


def _train_bert(answers: Sequence[str], others: Sequence[str], size: int) -> PreTrainedTokenizerBase:
    """Every word of an answer is one token: its tokens are predicted at once, blind to each other."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    splitter = pre_tokenizers.BertPreTokenizer()
    tokenizer.pre_tokenizer = splitter
    words = {word: None for answer in dict.fromkeys(answers) for word, _ in splitter.pre_tokenize_str(answer.strip())}
    trainer = trainers.WordPieceTrainer(
        vocab_size=size // 2, special_tokens=_BERT_SPECIAL, limit_alphabet=size, show_progress=False
    )
    tokenizer.train_from_iterator(others, trainer)
    learned = sorted(_model_of(tokenizer)["vocab"].items(), key=lambda item: item[1])
    vocabulary = _both_forms([*(token for token, _ in learned), *words, *_common_characters()])
    return BertTokenizer(vocab=vocabulary, do_lower_case=False, tokenize_chinese_chars=False, strip_accents=False)


def _both_forms(tokens: Iterable[str]) -> dict[str, int]:
    """The vocabulary with both forms, "x" and "##x", of single characters, of numbers and of Chinese tokens.

    In Chinese a name or a year stands at the start of a run of characters in one sentence and inside it in another.
    """
    vocabulary: dict[str, int] = {}
    for token in tokens:
        vocabulary.setdefault(token, len(vocabulary))
        bare = token.removeprefix("##")
        if token not in _BERT_SPECIAL and (len(bare) == 1 or bare.isdigit() or bare[0] >= "\u2e80"):
            vocabulary.setdefault(bare, len(vocabulary))
            vocabulary.setdefault(f"##{bare}", len(vocabulary))
    return vocabulary


def _common_characters() -> list[str]:
    """Latin letters and signs, and the 3,755 commonest Chinese characters (GB 2312, level 1).

    WordPiece makes a whole run of characters unknown for one it does not have.
    """
    latin = [chr(code) for code in (*range(0x21, 0x7F), *range(0xA1, 0x180)) if code != 0xAD]
    rows = range(0xB0, 0xD8)
    pairs = [bytes((row, cell)) for row in rows for cell in range(0xA1, 0xFF)]
    return latin + [character for pair in pairs if (character := pair.decode("gb2312", "ignore"))]


def _model_of(tokenizer: Tokenizer) -> dict[str, Any]:
    model: dict[str, Any] = json.loads(tokenizer.to_str())["model"]
    return model


def _merges_of(model: dict[str, Any]) -> Any:
    """The merges as pairs, which is what the tokenizers library wants (transformers annotates text)."""
    return [(left, right) for left, right in model["merges"]]


_TRAINERS: dict[str, Callable[[Sequence[str], Sequence[str], int], PreTrainedTokenizerBase]] = {
    "bert": _train_bert,
    "gpt2": _train_gpt2,
    "llama": _train_llama,
}
