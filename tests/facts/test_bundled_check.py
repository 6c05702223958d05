"""The check of the bundled facts finds every kind of fault."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

GOOD: dict[str, Any] = {
    "relation": "capital",
    "label": {"en": "capital", "zh": "首都"},
    "kind": "1-1",
    "patterns": {
        "en": [
            "The capital of [X] is ___.",
            "[X] has its capital in ___",
            "___ is the capital of [X].",
            "So [X]: ___.",
        ],
        "zh": ["[X]的首都是___。", "首都[X]是___", "___是[X]的首都。", "说[X]：___。"],
    },
    "questions": {"en": ["What is the capital of [X]? ___"], "zh": ["[X]的首都是哪里？___"]},
}
ROWS = ["capital/fooland,Fooland,Barville,福国,巴城,,Bar City,", "capital/quxia,Quxia,Bazton,曲国,曲市,,,"]


@pytest.fixture
def check(write: Callable[..., Path], bundled_check: ModuleType) -> Callable[..., list[str]]:
    """check(relation, rows): the faults of a relation of these patterns and rows."""

    def _check(relation: dict[str, Any] = GOOD, rows: list[str] = ROWS) -> list[str]:
        write("capital.csv", "\n".join([",".join(bundled_check.HEADER), *rows]) + "\n")
        return bundled_check.check_relation(write("capital.json", json.dumps(relation)))

    return _check


def test_a_good_relation_has_no_fault(check: Callable[..., list[str]]) -> None:
    assert check() == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"relation": "city"}, "capital.json: the relation is called 'city', its file 'capital'"),
        ({"kind": "M-1"}, "kind is 'M-1'"),
        ({"label": {"en": "capital"}}, "label must have the languages en, zh"),
        ({"reverse": {"en": ["[X] is of ___."]}}, "reverse must have the languages"),
        ({"reverse": {"en": ["[X] is."], "zh": ["[X]是___。"]}}, "en: needs ___ exactly once: '[X] is.'"),
        (
            {"questions": {"en": ["Is ___ it, [X]?"], "zh": ["[X]的首都是哪里？___"]}},
            "en: no question ends with the blank",
        ),
        (
            {"patterns": {**GOOD["patterns"], "en": GOOD["patterns"]["en"][:3]}},
            "en: 4 patterns and questions, 5 are needed",
        ),
        ({"patterns": {**GOOD["patterns"], "zh": ["[X] 的首都是___。"] * 4}}, "zh: has a space beside [X]"),
        ({"patterns": {**GOOD["patterns"], "zh": ["[X]的首都是___。"] * 4}}, "zh: a pattern is there twice"),
        ({"patterns": {**GOOD["patterns"], "zh": ["[X]: ___."] * 4}}, "zh: has no Chinese letter"),
        (
            {"patterns": {**GOOD["patterns"], "en": ["___ of [X] x"] * 4}},
            "en: 1 patterns end with the blank, 3 are needed",
        ),
        ({"patterns": {**GOOD["patterns"], "en": ["[X] [X] ___ "] * 4}}, "en: needs [X] exactly once"),
        ({"patterns": {**GOOD["patterns"], "en": ["[X] is ____."] * 4}}, "en: needs ___ exactly once"),
        ({"patterns": {**GOOD["patterns"], "en": ["In [D] [X] is ___."] * 4}}, "[D] must be in the pattern just where"),
        (
            {"patterns": {**GOOD["patterns"], "en": ["Barville, [X]: ___."] * 4}},
            "the pattern contains the answer 'Barville'",
        ),
        ({"extra": 1}, "no field is called 'extra'"),
    ],
)
def test_a_fault_of_the_patterns_is_found(change: dict[str, Any], said: str, check: Callable[..., list[str]]) -> None:
    faults = check({**GOOD, **change})
    assert any(said in fault for fault in faults), faults


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("capital/Zed,Zedland,Zedton,泽国,泽都,,,", "capital.csv:4: capital/Zed: the id must be RELATION/short-slug"),
        ("city/zed,Zedland,Zedton,泽国,泽都,,,", "the id must be RELATION/short-slug"),
        ("capital/fooland,Zedland,Zedton,泽国,泽都,,,", "the id 'capital/fooland' is there 2 times"),
        ("capital/zed,Fooland,Zedton,泽国,泽都,,,", "en: the subject 'Fooland' is there 2 times"),
        ("capital/zed,Fooland,Zedton,福地,泽都,,,", "en: the subject 'Fooland' has several translations: 福国, 福地"),
        (
            "capital/zed,Zedland,Barville,泽国,泽都,,,",
            "en: the answer 'Barville' is there 2 times, but its kind is 1-1",
        ),
        ("capital/zed,Zedland, Zedton,泽国,泽都,,,", "answer_en has blanks at its ends"),
        ("capital/zed,Zedland,Zedton,泽国,,,,", "capital.csv:4: the field 'answer_zh' is empty"),
        ("capital/zed,Zedland,Zedton,泽国,泽都", "the row has 5 cells, the header 8"),
        ("capital/zed,Zed City,Zed,泽国,泽都,,,", "en: the subject 'Zed City' contains the answer 'Zed'"),
        ("capital/zed,Zedland,Zedton,泽国,泽国,,,", "zh: the subject '泽国' contains the answer '泽国'"),
        ("capital/zed,Zedland,Zedton,泽国,泽都,,Zedton,", "en: the answer is also in also_en"),
        ("capital/zed-2014,Zedland,Zedton,泽国,泽都,2014,,", "some rows have a year and some have none"),
        ("capital/zed,Zedland,Zedton,泽国,泽都,2014,,", "the id must"),
        ("capital/zed-14,Zedland,Zedton,泽国,泽都,14,,", "the year must have four digits"),
        ("capital/zed,Zed___,Zedton,泽国,泽都,,,", "contains a slot of the patterns"),
    ],
)
def test_a_fault_of_the_rows_is_found(row: str, said: str, check: Callable[..., list[str]]) -> None:
    faults = check(rows=[*ROWS, row])
    assert any(said in fault for fault in faults), faults


def test_a_wrong_header_and_missing_files_are_found(write: Callable[..., Path], bundled_check: ModuleType) -> None:
    check_relation = bundled_check.check_relation
    path = write("capital.json", json.dumps(GOOD))
    assert check_relation(path) == ["capital.json: there is no capital.csv"]
    write("capital.csv", "id,subject_en\n")
    assert "capital.csv:1: the header must be id,subject_en,answer_en" in check_relation(path)[0]
    write("capital.csv", ",".join(bundled_check.HEADER) + "\n")
    assert check_relation(path) == ["capital.csv: it has no facts"]
    assert "no valid JSON" in check_relation(write("capital.json", "{"))[0]


def test_the_collection_must_be_large_and_varied(
    check: Callable[..., list[str]], bundled_check: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    check()
    faults = [fault.removeprefix(f"{tmp_path}: ") for fault in bundled_check.check_folder(tmp_path)]
    assert faults == [
        "2 facts, 1200 are needed",
        "1 relations, 24 are needed",
        "0 dated facts, 150 are needed",
        "0 N-1 relations, 1 are needed",
        "0 N-M relations, 1 are needed",
        "0 relations with reverse patterns, 1 are needed",
    ]
    monkeypatch.setattr(bundled_check, "LEAST_FACTS", 2)
    assert "facts, " not in " ".join(bundled_check.check_folder(tmp_path)[:1])
