from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from factneurons.errors import BadFact, BadSetting
from factneurons.facts.source import FactSource, load_facts

ADA: dict[str, Any] = {"sub_uri": "Q1", "obj_uri": "Q2", "sub_label": "Ada Vale", "obj_label": "Lyon", "lineid": 7}
ADA_ZH = {**ADA, "sub_label": "艾达", "obj_label": "里昂"}
BORN = [{"pattern": "[X] was born in [Y]", "checked-by-human": True}, {"pattern": "[Y]-born [X]"}]


@pytest.fixture
def mpararel(write: Callable[..., Path], tmp_path: Path) -> Path:
    write("m/tuples/en/P19.jsonl", [ADA, {**ADA, "lineid": 8}])
    write("m/tuples/en/P103.jsonl", [ADA])
    write("m/tuples/en/P31.jsonl", [ADA])
    write("m/tuples/zh-hans/P19.jsonl", [ADA_ZH])
    write("m/patterns/en/P19.jsonl", BORN)
    write("m/patterns/en/P103.jsonl", BORN[:1])
    write("m/patterns/zh-hans/P19.jsonl", [{"pattern": "[X]出生于[Y]"}])
    return tmp_path / "m"


def test_a_tuple_is_a_fact_asked_with_every_pattern(mpararel: Path, adds_up: Callable[[FactSource], None]) -> None:
    source = load_facts(f"mpararel:{mpararel}")
    facts = {(fact.id, fact.language): fact for fact in source}
    assert list(facts) == [("P19/7", "en"), ("P19/8", "en"), ("P103/7", "en"), ("P19/7", "zh-hans")]
    assert [prompt.text for prompt in facts["P19/7", "en"].prompts] == ["Ada Vale was born in ___", "___-born Ada Vale"]
    assert [prompt.text for prompt in facts["P19/7", "zh-hans"].prompts] == ["艾达出生于___"]
    assert source.skipped == {"no_pattern": 1}
    adds_up(source)


def test_languages_and_relations_can_be_chosen(mpararel: Path) -> None:
    assert [fact.id for fact in load_facts(f"mpararel:{mpararel}?relation=P103")] == ["P103/7"]
    assert [fact.language for fact in load_facts(f"mpararel:{mpararel}?lang=zh-hans")] == ["zh-hans"]
    with pytest.raises(BadSetting, match="unknown lang 'zh'; available: en, zh-hans"):
        load_facts(f"mpararel:{mpararel}?lang=zh")
    with pytest.raises(BadSetting, match="unknown relation 'P20'; available: P19, P31, P103"):
        load_facts(f"mpararel:{mpararel}?relation=P20")
    with pytest.raises(BadSetting, match="nothing to read was found there"):
        load_facts(f"mpararel:{mpararel}/tuples")


def test_a_bad_pattern_or_tuple_is_told_and_counted(
    mpararel: Path, write: Callable[..., Path], adds_up: Callable[[FactSource], None]
) -> None:
    pattern = write("m/patterns/en/P19.jsonl", [{"pattern": "[X] was born"}, *BORN])
    spec = f"mpararel:{mpararel}?lang=en&relation=P19"
    with pytest.raises(BadFact, match=rf"{pattern}:1: a pattern needs \[Y\] exactly once, this one has it 0 times"):
        list(load_facts(spec))
    write("m/tuples/en/P19.jsonl", [{"sub_label": "Ada", "lineid": 1}, {**ADA, "sub_label": "A ___"}, ADA, ADA])
    source = load_facts(spec, skip_bad=True)
    assert [(fact.id, len(fact.prompts)) for fact in source] == [("P19/7", 2)]
    assert source.skipped_parts == {"pattern_slots": 1}
    assert source.skipped == {"missing_field": 1, "blank_count": 1, "duplicate_fact": 1}
    adds_up(source)


def test_the_real_mpararel(real_data: Path, adds_up: Callable[[FactSource], None]) -> None:
    source = load_facts(f"mpararel:{real_data}/mpararel?lang=en,zh-hans")
    facts: Counter[str] = Counter()
    prompts: Counter[str] = Counter()
    english, both = set(), 0
    for fact in source:
        facts[fact.language] += 1
        prompts[fact.language] += len(fact.prompts)
        if fact.language == "en":
            english.add(fact.id)
        both += fact.language != "en" and fact.id in english
    adds_up(source)
    assert facts == {"en": 31_433, "zh-hans": 9_758}
    assert source.records == 34_032 + 10_697
    assert set(source.skipped) == {"no_pattern"}
    assert prompts["en"] == 262_583
    assert both > 9_000
