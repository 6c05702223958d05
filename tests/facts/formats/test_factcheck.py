from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from factneurons.errors import BadFact
from factneurons.facts.problems import Skipped
from factneurons.facts.source import load_facts

ROW: dict[str, Any] = {
    "uuid": "Q1_P54_2014",
    "sentences": ["In 2014, Ada Vale plays for _X_."],
    "relation_name": "P54",
    "obj_label": "FC Foo",
    "wrong_fact": ["FC Baz", "Barland"],
}


def test_a_row_is_a_fact_with_its_wrong_answers(write: Callable[..., Path]) -> None:
    (fact,) = load_facts(f"factcheck:{write('simple.jsonl', [ROW])}")
    assert (fact.id, fact.relation, fact.subject, fact.date) == ("Q1_P54_2014", "P54", "Ada Vale", "2014")
    assert (fact.answer, fact.wrong_answers) == ("FC Foo", ("FC Baz", "Barland"))
    assert [prompt.text for prompt in fact.prompts] == ["In 2014, Ada Vale plays for ___."]


def test_with_all_right_answers_known_wrong_ones_among_them_are_left_out(write: Callable[..., Path]) -> None:
    answers = [{"id": "Q1_P54_2014", "answer": [{"name": "FC Foo"}, {"name": "Barland"}]}]
    seen: list[Skipped] = []
    spec = f"factcheck:{write('simple.jsonl', [ROW])}?answers={write('train.jsonl', answers)}"
    source = load_facts(spec, on_skip=seen.append)
    (fact,) = source
    assert (fact.aliases, fact.wrong_answers) == (("Barland",), ("FC Baz",))
    assert source.skipped_parts == {"wrong_answer_is_right": 1}
    assert "'Barland' is right as well" in seen[0].detail


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"wrong_fact": ["FC Foo"]}, "'FC Foo' is also given as a right one"),
        ({"sentences": []}, "'sentences' is empty"),
        ({"sentences": ["Ada Vale plays."]}, "this one has none"),
        ({"obj_label": ""}, "'obj_label' is empty"),
    ],
)
def test_a_bad_row_is_told(change: dict[str, Any], said: str, write: Callable[..., Path]) -> None:
    with pytest.raises(BadFact, match=f"simple.jsonl:1: fact 'Q1_P54_2014': .*{said}"):
        list(load_facts(f"factcheck:{write('simple.jsonl', [{**ROW, **change}])}"))


def test_one_object_of_sentences_by_id(write: Callable[..., Path]) -> None:
    fields = {"sentences": ["艾达在[MASK]出生。"], "relation_name": "P19", "obj_label": "里昂"}
    path = write("zh.json", json.dumps({"u1": fields, "u2": fields}, indent=1))
    one, two = load_facts(f"sentences:{path}?language=zh")
    assert (one.id, two.id, one.language, one.answer, one.date) == ("u1", "u2", "zh", "里昂", None)
    with pytest.raises(BadFact, match=r"zh\.json:2: fact 'u1': the field 'u1.relation_name' is missing"):
        list(load_facts(f"sentences:{write('zh.json', json.dumps({'u1': {'sentences': ['_X_']}}, indent=1))}"))


def test_the_real_files(real_data: Path) -> None:
    simple, train = f"factcheck:{real_data}/dkn/factcheck/simple.jsonl", real_data / "templama/train.jsonl"
    statements = {fact.id: fact for fact in load_facts(f"templama:{train}")}
    facts = list(load_facts(simple))
    assert len(facts) == 10_693
    for fact in facts:
        other = statements[fact.id]
        assert (fact.prompts, fact.answer, fact.subject, fact.date) == (
            other.prompts,
            other.answer,
            other.subject,
            other.date,
        )
    wrong = [fact for fact in facts if set(fact.wrong_answers) & set(statements[fact.id].aliases)]
    assert len(wrong) == 1_606
    checked = load_facts(f"{simple}?answers={train}")
    assert all(not set(fact.wrong_answers) & {fact.answer, *fact.aliases} for fact in checked)
    assert checked.skipped_parts == {"wrong_answer_is_right": 1_647}


def test_the_real_complex_file_never_names_its_subject(real_data: Path) -> None:
    facts = list(load_facts(f"factcheck:{real_data}/dkn/factcheck/complex.jsonl"))
    assert len(facts) == 10_693
    assert len({fact.prompts[0].text for fact in facts}) == 99
