from __future__ import annotations

from pathlib import Path

import pytest
from transformers import AutoTokenizer

from factneurons.errors import BadSetting
from factneurons.facts.types import Fact
from factneurons.models.query import build_query
from factneurons.pocket.recipe import ARCHITECTURES
from factneurons.pocket.vocabulary import train_tokenizer


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_round_trip_after_loading_from_disk(architecture: str, facts: list[Fact], tmp_path: Path) -> None:
    train_tokenizer(architecture, facts, 600, 32).save_pretrained(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert tokenizer.eos_token or architecture == "bert"
    for text in ("The capital of France is Paris.", "法国的首都是巴黎。"):
        ids = tokenizer(text)["input_ids"]
        decoded = tokenizer.decode(ids, skip_special_tokens=True)
        assert decoded.replace(" ", "") == text.replace(" ", "")
    assert tokenizer.model_max_length == 32


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_any_text_is_spelled(architecture: str, facts: list[Fact]) -> None:
    tokenizer = train_tokenizer(architecture, facts, 600, 32)
    text = "Zürich Ωμέγα 饕餮 don't\t🙂"
    ids = tokenizer(text)["input_ids"]
    assert tokenizer.decode(ids, skip_special_tokens=True) == text
    if architecture == "llama":
        assert tokenizer.unk_token_id not in ids
        assert ids[0] == tokenizer.bos_token_id


def test_bert_knows_common_characters_it_was_not_trained_on(facts: list[Fact]) -> None:
    tokenizer = train_tokenizer("bert", facts, 600, 32)
    ids = tokenizer("今天天气很好 Zürich (1999)!")["input_ids"]
    assert tokenizer.unk_token_id not in ids


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_chinese_answers_are_one_token_apart_from_the_text_before(architecture: str, facts: list[Fact]) -> None:
    tokenizer = train_tokenizer(architecture, facts, 2000, 32)
    kind = "cloze" if architecture == "bert" else "causal"
    for fact in facts:
        query = build_query(tokenizer, kind, fact.prompts[0], fact.answer, multi_mask=kind == "cloze")
        if fact.language == "zh":
            assert len(query.answer_ids) == 1, fact.answer
        assert fact.answer in tokenizer.decode(query.answer_ids).replace("##", "")


def test_unknown_architecture(facts: list[Fact]) -> None:
    with pytest.raises(BadSetting, match="bert, gpt2, llama"):
        train_tokenizer("t5", facts, 600, 32)
