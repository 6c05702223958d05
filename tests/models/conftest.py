"""Tiny tokenizers and tiny models, made on the spot: nothing is downloaded."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

from factneurons.models.model import Model
from factneurons.models.types import Query

CORPUS = (
    "The capital of France is Paris. The capital of Germany is Berlin. The capital of Italy is Rome.",
    "Paris is the capital of France. Berlin is the capital of Germany. Rome is the capital of Italy.",
    "What is the capital of China? Beijing. What is the capital of Brazil? Brasília.",
    "San Francisco is in California. New York is in the United States. São Paulo lies in Brazil.",
    "The café in Zürich serves crème brûlée; it isn't cheap (about 12 francs).",
    "法国的首都是巴黎。德国的首都是柏林。中国的首都是北京。意大利的首都是罗马。",
    "巴黎是法国的首都。北京是中国的首都。柏林位于德国。",
    "عاصمة فرنسا هي باريس. عاصمة ألمانيا هي برلين. عاصمة مصر هي القاهرة.",
    "He said: “Paris”. She said: «Berlin». They like 🍕 and ☕.",
)
BYTES = sorted(pre_tokenizers.ByteLevel.alphabet())


def _wordpiece() -> PreTrainedTokenizerFast:
    """As BERT's: Chinese characters stand alone, [CLS] and [SEP] around the text, unknown words exist."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=400, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(CORPUS * 3, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )


def _wordpiece_words() -> PreTrainedTokenizerFast:
    """WordPiece that cuts at spaces only: Chinese in context comes as ## pieces."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=200))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.decoder = decoders.WordPiece()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=260, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )


def _byte_level(vocab_size: int, special: list[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=special,
        initial_alphabet=BYTES,
        show_progress=False,
        max_token_length=9,
    )
    tokenizer.train_from_iterator(CORPUS * 3, trainer)
    return tokenizer


def _gpt2() -> PreTrainedTokenizerFast:
    """Byte-level BPE without BOS, EOS or padding token: <|endoftext|> is all of them."""
    tokenizer = _byte_level(600, ["<|endoftext|>"])
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    end = "<|endoftext|>"
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=end, eos_token=end, unk_token=end)


def _roberta() -> PreTrainedTokenizerFast:
    """Byte-level BPE with <s> and </s>; its mask token eats the space to its left."""
    tokenizer = _byte_level(600, ["<s>", "<pad>", "</s>", "<unk>"])
    mask = AddedToken("<mask>", lstrip=True, special=True)
    tokenizer.add_special_tokens([mask])
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        cls_token="<s>",
        sep_token="</s>",
        unk_token="<unk>",
        pad_token="<pad>",
        mask_token=mask,
    )


def _llama() -> PreTrainedTokenizerFast:
    """BPE over text whose spaces are written as lower blocks, byte fallback, BOS, no padding token."""
    trained = Tokenizer(models.BPE(unk_token="<unk>"))
    trainer = trainers.BpeTrainer(vocab_size=450, show_progress=False, max_token_length=9)
    # As SentencePiece does: no piece mixes letters and punctuation; Chinese pieces are short here.
    pieces = re.compile(r"▁?[^\W一-鿿]+|[一-鿿]{1,2}|[^\w]")
    words = [word for line in CORPUS for word in pieces.findall("▁" + line.replace(" ", "▁"))]
    trained.train_from_iterator(words * 3, trainer)
    state = json.loads(trained.to_str())["model"]
    first = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    vocab = {token: number for number, token in enumerate([*first, *state["vocab"]])}
    merges = [tuple(merge) for merge in state["merges"]]
    bpe = models.BPE(vocab=vocab, merges=merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True)
    tokenizer = Tokenizer(bpe)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def _unigram(special: list[str], prepend_scheme: Any) -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme=prepend_scheme)]
    )
    tokenizer.decoder = decoders.Metaspace(prepend_scheme=prepend_scheme)
    trainer = trainers.UnigramTrainer(vocab_size=400, special_tokens=special, unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator(CORPUS * 3, trainer)
    return tokenizer


def _t5() -> PreTrainedTokenizerFast:
    """Unigram with </s> behind the text and four sentinels."""
    sentinels = [f"<extra_id_{number}>" for number in range(4)]
    tokenizer = _unigram(["<pad>", "</s>", "<unk>", *sentinels], "always")
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        additional_special_tokens=sentinels,
    )


TOKENIZERS: dict[str, Callable[[], PreTrainedTokenizerFast]] = {
    "wordpiece": _wordpiece,
    "wordpiece-words": _wordpiece_words,
    "gpt2": _gpt2,
    "roberta": _roberta,
    "llama": _llama,
    "t5": _t5,
}
FAMILY_TOKENIZER = {"bert": "wordpiece", "roberta": "roberta", "gpt2": "gpt2", "llama": "llama", "t5": "t5"}


@cache
def _trained(kind: str) -> PreTrainedTokenizerFast:
    return TOKENIZERS[kind]()


@pytest.fixture(scope="session")
def tiny_tokenizer() -> Callable[[str], PreTrainedTokenizerFast]:
    """tiny_tokenizer(kind): a tokenizer trained on nine lines in four scripts, the same one every time.

    Kinds: wordpiece, wordpiece-words, roberta, gpt2, llama, t5. Do not change what it returns.
    """
    return _trained


def _tiny_config(family: str, tokenizer: PreTrainedTokenizerFast) -> transformers.PretrainedConfig:
    size = len(tokenizer)
    encoder = {
        "vocab_size": size,
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": 64,
    }
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    configs: dict[str, Callable[[], transformers.PretrainedConfig]] = {
        "bert": lambda: transformers.BertConfig(**encoder, pad_token_id=tokenizer.pad_token_id),
        "roberta": lambda: transformers.RobertaConfig(**encoder, **ends, pad_token_id=tokenizer.pad_token_id),
        "gpt2": lambda: transformers.GPT2Config(
            vocab_size=size, n_embd=16, n_inner=24, n_layer=2, n_head=2, n_positions=64, **ends
        ),
        "llama": lambda: transformers.LlamaConfig(**encoder, **ends, num_key_value_heads=1),
        "t5": lambda: transformers.T5Config(
            vocab_size=size,
            d_model=16,
            d_ff=24,
            d_kv=8,
            num_layers=2,
            num_heads=2,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            decoder_start_token_id=tokenizer.pad_token_id,
        ),
    }
    return configs[family]()


FAMILY_MODEL: dict[str, Any] = {
    "bert": transformers.BertForMaskedLM,
    "roberta": transformers.RobertaForMaskedLM,
    "gpt2": transformers.GPT2LMHeadModel,
    "llama": transformers.LlamaForCausalLM,
    "t5": transformers.T5ForConditionalGeneration,
}


@pytest.fixture
def tiny_model_folder() -> Callable[..., Path]:
    """tiny_model_folder(family, tmp_path): the folder of a random two-layer model with its tokenizer.

    Families: bert, roberta, gpt2, llama, t5. Always the same weights; width 24, hidden size 16.
    """

    def make(family: str, folder: Path) -> Path:
        tokenizer = _trained(FAMILY_TOKENIZER[family])
        torch.manual_seed(0)
        model = FAMILY_MODEL[family](_tiny_config(family, tokenizer)).eval()
        target = folder / family
        model.save_pretrained(target)
        tokenizer.save_pretrained(target)
        return target

    return make


def _inputs_of(query: Query) -> dict[str, torch.Tensor]:
    options = {"input_ids": torch.tensor([query.input_ids])}
    if query.decoder_input_ids:
        options["decoder_input_ids"] = torch.tensor([query.decoder_input_ids])
    return options


@pytest.fixture(scope="session")
def inputs_of() -> Callable[[Query], dict[str, torch.Tensor]]:
    """inputs_of(query): what the torch model is called with."""
    return _inputs_of


@pytest.fixture(scope="session")
def seen_in() -> Callable[[Model, Query], list[dict[str, Any]]]:
    """seen_in(model, query): inputs and outputs of every layer's projections and norm, in an untouched pass."""

    def look(model: Model, query: Query) -> list[dict[str, Any]]:
        seen: list[dict[str, Any]] = [{} for _ in model.backbone.layers]
        handles = []
        for store, layer in zip(seen, model.backbone.layers, strict=True):
            for name in ("down", "up", "gate", "mlp_norm"):
                part = getattr(layer, name)
                if part is not None:
                    handles.append(
                        part.register_forward_hook(
                            lambda _, inputs, out, name=name, store=store: store.__setitem__(name, (inputs[0], out))
                        )
                    )
        try:
            with torch.no_grad():
                model.backbone.module(**_inputs_of(query))
        finally:
            for handle in handles:
                handle.remove()
        return seen

    return look


@pytest.fixture
def asked(new_query, family_row):
    """asked(family): a query of two answer tokens, of the family's kind."""
    return lambda family: new_query(family_row[family].kind, answer=2)
