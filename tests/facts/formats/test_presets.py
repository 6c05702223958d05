"""Each preset reads a small invented file in its data set's form."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from factneurons.errors import BadFact
from factneurons.facts.formats.presets import PRESETS
from factneurons.facts.source import load_facts
from factneurons.facts.types import Fact

KNOWN = {
    "known_id": 7,
    "subject": "Mount Foo",
    "attribute": "Barland",
    "template": "{} is a mountain of",
    "prediction": " Barland. It",
    "prompt": "Mount Foo is a mountain of",
    "relation_id": "P17",
}
ZSRE = {
    "subject": "Ada Vale",
    "src": "Where did Ada Vale study?",
    "pred": "Oldton",
    "rephrase": "What was Ada Vale's school?",
    "alt": "Newton",
    "answers": ["Barville", "University of Barville"],
    "loc": "nq question: who was it",
    "loc_ans": "Bo",
    "cond": "Oldton >> Newton || Where did Ada Vale study?",
}
POPQA = (
    "id\tsubj\tprop\tobj\tsubj_id\tquestion\tpossible_answers\n"
    '12\tAda Vale\toccupation\tpilot\t9\tWhat is Ada Vale\'s job?\t"[""pilot"", ""aviator""]"\n'
)
BMLAMA = 'Prompt\tAns\tCandidate Ans\nLa capitale de "Foo" est <mask>.\tBar, Barville\tBaz, Bar, Qux, Barville\n'
KNOWEDIT = {
    "subject": "Ada Vale",
    "prompt": "The office of Ada Vale is",
    "target_new": "bishop of Bar, Foo",
    "ground_truth": "mayor of Baz, Foo",
    "portability": {},
    "locality": {},
}


def only(scheme: str, path: Path) -> Fact:
    (fact,) = load_facts(f"{scheme}:{path}")
    return fact


def texts(fact: Fact) -> list[str]:
    return [prompt.text for prompt in fact.prompts]


def test_known_1000(write: Callable[..., Path]) -> None:
    fact = only("known_1000", write("known_1000.json", json.dumps([KNOWN])))
    assert (fact.id, fact.relation, fact.subject, fact.answer) == ("7", "P17", "Mount Foo", "Barland")
    assert texts(fact) == ["Mount Foo is a mountain of ___"]


def test_zsre(write: Callable[..., Path]) -> None:
    fact = only("zsre", write("zsre_mend_eval.json", json.dumps([ZSRE])))
    assert (fact.id, fact.answer, fact.aliases, fact.wrong_answers) == (
        "1",
        "Barville",
        ("University of Barville",),
        ("Newton",),
    )
    assert texts(fact) == ["Where did Ada Vale study? ___", "What was Ada Vale's school? ___"]


def test_popqa(write: Callable[..., Path]) -> None:
    fact = only("popqa", write("test.tsv", POPQA))
    assert (fact.id, fact.relation, fact.subject, fact.answer) == ("12", "occupation", "Ada Vale", "pilot")
    assert (fact.aliases, texts(fact)) == (("aviator",), ["What is Ada Vale's job? ___"])


def test_bmlama(write: Callable[..., Path]) -> None:
    fact = only("bmlama", write("fr.tsv", BMLAMA))
    assert (fact.language, fact.answer, fact.aliases) == ("fr", "Bar", ("Barville",))
    assert fact.wrong_answers == ("Baz", "Qux")
    assert (texts(fact), fact.subject) == (['La capitale de "Foo" est ___.'], 'La capitale de "Foo" est')


@pytest.mark.parametrize(
    ("change", "answer", "aliases", "wrong", "prompts"),
    [
        ({}, "mayor of Baz, Foo", (), ("bishop of Bar, Foo",), 1),
        (
            {"ground_truth": ["mayor", "head"], "rephrase_prompt": "Ada Vale is"},
            "mayor",
            ("head",),
            ("bishop of Bar, Foo",),
            2,
        ),
        ({"ground_truth": None}, "bishop of Bar, Foo", (), (), 1),
    ],
)
def test_knowedit(
    change: dict[str, Any],
    answer: str,
    aliases: tuple[str, ...],
    wrong: tuple[str, ...],
    prompts: int,
    write: Callable[..., Path],
) -> None:
    record = {name: value for name, value in {**KNOWEDIT, **change}.items() if value is not None}
    fact = only("knowedit", write("test.json", json.dumps([record])))
    assert (fact.answer, fact.aliases, fact.wrong_answers) == (answer, aliases, wrong)
    assert len(fact.prompts) == prompts


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_a_file_of_another_form_is_described(preset: Any, write: Callable[..., Path]) -> None:
    text = "word\tsense\na\tb\n" if preset.rows.__name__ != "json_rows" else '[{"word": "a", "sense": "b"}]'
    with pytest.raises(BadFact, match=r"there is no column .*only word, sense.*type \?columns="):
        list(load_facts(f"{preset.name}:{write('en.tsv', text)}"))
