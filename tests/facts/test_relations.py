"""Facts from relations on disk: an invented folder, and the bundled one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from factneurons.errors import BadFact, BadSetting
from factneurons.facts.relations import gives_away
from factneurons.facts.source import FactSource, load_facts
from factneurons.facts.types import Fact

CAPITAL: dict[str, Any] = {
    "relation": "capital",
    "label": {"en": "capital", "zh": "首都"},
    "kind": "1-1",
    "patterns": {"en": ["The capital of [X] is ___.", "___ is the capital of [X]."], "zh": ["[X]的首都是___。"]},
    "questions": {"en": ["What is the capital of [X]? ___"], "zh": ["[X]的首都是哪里？___"]},
    "reverse": {"en": ["[X] is the capital of ___."], "zh": ["[X]是___的首都。"]},
}
HEAD: dict[str, Any] = {
    "relation": "head",
    "label": {"en": "head", "zh": "首脑"},
    "kind": "N-1",
    "patterns": {"en": ["In [D], [X] was led by ___."], "zh": ["[D]年，领导[X]的是___。"]},
    "questions": {"en": ["Who led [X] in [D]? ___"], "zh": ["[D]年谁领导[X]？___"]},
}
HEADER = "id,subject_en,answer_en,subject_zh,answer_zh,year,also_en,also_zh\n"
CAPITALS = (
    "capital/fooland,Fooland,Barville,福国,巴城,,Bar City|B-Town,\n"
    "capital/quxia,Quxia,Quxia City,曲国,曲市,,,\n"
    "capital/zedland,Zedland,Zedton,泽国,泽都,,,\n"
    "capital/wolland,Wolland,Barvillette,沃国,沃京,,,\n"
    "capital/yesland,Yesland,Yesburg,叶国,叶堡,,,\n"
)
HEADS = (
    "head/fooland-2014,Fooland,Ada Vale,福国,艾达,2014,,\n"
    "head/fooland-2015,Fooland,Bo Baz,福国,波巴,2015,,\n"
    "head/fooland-2016,Fooland,Ada Vale,福国,艾达,2016,,\n"
    "head/quxia-2014,Quxia,Cy Dot,曲国,赛点,2014,,\n"
    "head/zedland-2014,Zedland,Di Eck,泽国,迪克,2014,,\n"
)


@pytest.fixture
def folder(write: Callable[..., Path], tmp_path: Path) -> Path:
    for relation, rows in ((CAPITAL, CAPITALS), (HEAD, HEADS)):
        write(f"own/{relation['relation']}.json", json.dumps(relation))
        write(f"own/{relation['relation']}.csv", HEADER + rows)
    return tmp_path / "own"


def by_id(spec: str) -> dict[tuple[str, str], Fact]:
    return {(fact.id, fact.language): fact for fact in load_facts(spec)}


def test_a_row_is_a_fact_in_each_language(folder: Path) -> None:
    facts = by_id(f"bundled:{folder}?relation=capital")
    english, chinese = facts["capital/fooland", "en"], facts["capital/fooland", "zh"]
    assert [prompt.text for prompt in english.prompts] == [
        "The capital of Fooland is ___.",
        "___ is the capital of Fooland.",
        "What is the capital of Fooland? ___",
    ]
    assert [prompt.text for prompt in chinese.prompts] == ["福国的首都是___。", "福国的首都是哪里？___"]
    assert (english.answer, english.aliases, english.translations) == (
        "Barville",
        ("Bar City", "B-Town"),
        {"zh": "capital/fooland"},
    )
    assert (chinese.subject, chinese.answer, chinese.translations) == ("福国", "巴城", {"en": "capital/fooland"})
    assert english.source.endswith("capital.csv:2")
    assert list(facts)[:2] == [("capital/fooland", "en"), ("capital/fooland", "zh")]


def test_facts_are_asked_backwards_only_when_told_to(folder: Path, adds_up: Callable[[FactSource], None]) -> None:
    assert not any("reverse" in fact.relation for fact in load_facts(f"bundled:{folder}"))
    facts = by_id(f"bundled:{folder}?reverse=only&lang=en")
    fact = facts["capital/fooland/reverse", "en"]
    assert (fact.relation, fact.subject, fact.answer) == ("capital_reverse", "Barville", "Fooland")
    assert [prompt.text for prompt in fact.prompts] == ["Barville is the capital of ___."]
    assert fact.aliases == ()
    assert set(fact.wrong_answers) <= {"Quxia", "Zedland", "Wolland", "Yesland"}
    both = load_facts(f"bundled:{folder}?reverse=yes")
    assert len(list(both)) == 5 * 2 + 5 * 2 + 5 * 2 - 1
    adds_up(both)


def test_a_fact_that_gives_its_answer_away_is_counted(folder: Path) -> None:
    source = load_facts(f"bundled:{folder}?reverse=only&lang=en")
    assert "capital/quxia/reverse" not in [fact.id for fact in source]
    assert source.skipped == {"gives_away": 1}


@pytest.mark.parametrize(
    ("text", "answer", "given"),
    [
        ("Quxia City is the capital of ___.", "Quxia", True),
        ("QUXIA is ___", "Quxia", True),
        ("Quxians live in ___", "Quxia", False),
        ("墨西哥城是___的首都。", "墨西哥", True),
        ("The symbol of Carbon is ___", "C", False),
        ("In 2014, As ___", "As", False),
        ("The U.S.A. is ___", "U.S.A.", True),
        ("Zürich is ___", "Zürich", True),
    ],
)
def test_what_gives_an_answer_away(text: str, answer: str, given: bool) -> None:
    assert gives_away(text, answer) == given


def test_wrong_answers_are_wrong_different_and_always_the_same(folder: Path) -> None:
    first = by_id(f"bundled:{folder}")
    assert first == by_id(f"bundled:{folder}")
    right: dict[tuple[str, str, str | None], set[str]] = {}
    for fact in first.values():
        right.setdefault((fact.language, fact.subject, fact.date), set()).update((fact.answer, *fact.aliases))
    for fact in first.values():
        assert len(set(fact.wrong_answers)) == len(fact.wrong_answers) > 0
        assert not set(fact.wrong_answers) & right[fact.language, fact.subject, fact.date]
    # Barvillette holds "Barville" and so is no clean wrong answer for it
    assert first["capital/fooland", "en"].wrong_answers.count("Barvillette") == 0
    assert sorted(first["capital/fooland", "en"].wrong_answers) == ["Quxia City", "Yesburg", "Zedton"]


def test_wrong_answers_are_the_same_fact_in_every_language(folder: Path) -> None:
    facts = by_id(f"bundled:{folder}?relation=capital")
    chinese = {facts[name, "en"].answer: facts[name, "zh"].answer for name, language in facts if language == "en"}
    for (name, language), fact in facts.items():
        if language == "en":
            assert tuple(chinese[wrong] for wrong in fact.wrong_answers) == facts[name, "zh"].wrong_answers


def test_answers_of_other_years_are_the_first_wrong_ones(folder: Path) -> None:
    facts = by_id(f"bundled:{folder}?relation=head&lang=en")
    assert facts["head/fooland-2014", "en"].wrong_answers[0] == "Bo Baz"
    assert facts["head/fooland-2015", "en"].wrong_answers[0] == "Ada Vale"
    assert facts["head/fooland-2014", "en"].date == "2014"
    assert facts["head/fooland-2014", "en"].prompts[0].text == "In 2014, Fooland was led by ___."


def test_languages_relations_and_dates_can_be_chosen(folder: Path) -> None:
    assert {fact.language for fact in load_facts(f"bundled:{folder}?lang=zh")} == {"zh"}
    assert {fact.relation for fact in load_facts(f"bundled:{folder}?dated=yes")} == {"head"}
    with pytest.raises(BadSetting, match="unknown relation 'currency'; available: capital, head"):
        load_facts(f"bundled:{folder}?relation=currency")
    with pytest.raises(BadSetting, match="there is no folder"):
        load_facts(f"bundled:{folder}/none")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("capital.json", "{", r"capital\.json:1: no valid JSON"),
        ("capital.json", json.dumps({**CAPITAL, "kind": 1}), "'kind' must be a text"),
        ("capital.json", json.dumps({**CAPITAL, "patern": 1}), "no field is called 'patern'"),
        ("capital.json", json.dumps({**CAPITAL, "patterns": {"en": ["[X] ___"], "zh": ["___"]}}), r"needs \[X\]"),
        ("capital.json", json.dumps({**CAPITAL, "patterns": {"en": ["[D] [X] ___"]}}), r"\[D\] just where"),
        (
            "capital.csv",
            HEADER + "capital/x,X,,泽,泽都,,,\n",
            r"capital\.csv:2: fact 'capital/x': .*'answer_en' is empty",
        ),
        ("capital.csv", HEADER.replace("answer_zh", "x") + CAPITALS, "'answer_zh' is missing"),
        ("capital.csv", HEADER + CAPITALS + CAPITALS, r"capital\.csv:7: .*ids must be unique"),
    ],
)
def test_a_broken_file_is_told(name: str, content: str, said: str, folder: Path) -> None:
    (folder / name).write_text(content, encoding="utf-8")
    with pytest.raises(BadFact, match=said):
        list(load_facts(f"bundled:{folder}"))


def test_a_missing_table_is_told(folder: Path) -> None:
    (folder / "head.csv").unlink()
    with pytest.raises(BadSetting, match=r"there is no file .*head\.csv"):
        load_facts(f"bundled:{folder}")


def test_a_bad_row_can_be_skipped(folder: Path, adds_up: Callable[[FactSource], None]) -> None:
    (folder / "capital.csv").write_text(HEADER + "capital/x,X\n" + CAPITALS, encoding="utf-8")
    source = load_facts(f"bundled:{folder}?relation=capital", skip_bad=True)
    assert len(list(source)) == 10
    assert source.skipped == {"unreadable": 1}
    adds_up(source)


def test_every_bundled_fact_has_prompts_and_wrong_answers_in_both_languages(
    adds_up: Callable[[FactSource], None],
) -> None:
    source = load_facts("bundled?reverse=yes")
    ids: dict[str, set[str]] = {"en": set(), "zh": set()}
    for fact in source:
        ids[fact.language].add(fact.id)
        if not fact.id.endswith("/reverse"):
            assert len(fact.prompts) >= 4, fact.id
            assert any(prompt.blank_position == "end" for prompt in fact.prompts)
        assert len(fact.wrong_answers) == 3, fact.id
        assert not set(fact.wrong_answers) & {fact.answer, *fact.aliases}
        assert all(fact.answer.casefold() != wrong.casefold() for wrong in fact.wrong_answers)
    adds_up(source)
    forward = {language: {name for name in names if not name.endswith("/reverse")} for language, names in ids.items()}
    assert forward["en"] == forward["zh"]
    assert set(source.skipped) <= {"gives_away"}
    assert sum(source.skipped.values()) < 40
