from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from factneurons.errors import BadFact, BadSetting
from factneurons.facts.source import FactSource, load_facts


def row(subject: int, year: int, query: str, *answers: str, relation: str = "P54") -> dict[str, Any]:
    return {
        "query": query,
        "answer": [{"wikidata_id": f"Q{number}", "name": name} for number, name in enumerate(answers)],
        "date": str(year),
        "id": f"Q{subject}_{relation}_{year}",
        "relation": relation,
        "most_frequent_answer": {"wikidata_id": "Q0", "name": answers[0] if answers else ""},
    }


ROWS = [
    row(1, 2014, "Ada Vale plays for _X_.", "FC Foo", "Barland", "FC Foo"),
    row(2, 2014, "_X_ is the head coach of FC Foo.", "Bo Baz", relation="P286"),
    row(1, 2015, "Ada Vale plays for _X_.", "FC Bar"),
]
QUESTIONS = [{"query": "Which team is Ada Vale a player for?"}, {"query": "Who is the head coach of FC Foo?"}]


def test_a_row_is_a_dated_fact_whose_first_answer_is_gold(write: Callable[..., Path]) -> None:
    path = write("val.jsonl", ROWS)
    one, two, three = load_facts(f"templama:{path}")
    assert (one.id, one.relation, one.subject, one.date) == ("Q1_P54_2014", "P54", "Ada Vale", "2014")
    assert (one.answer, one.aliases, one.wrong_answers) == ("FC Foo", ("Barland",), ())
    assert [prompt.text for prompt in one.prompts] == ["In 2014, Ada Vale plays for ___."]
    assert [prompt.text for prompt in two.prompts] == ["In 2014, ___ is the head coach of FC Foo."]
    assert two.subject == "FC Foo"
    assert three.source == f"{path}:3"


def test_a_statement_of_another_form_is_about_the_id(write: Callable[..., Path]) -> None:
    (fact,) = load_facts(f"templama:{write('val.jsonl', [row(7, 2014, 'They say _X_ is it.', 'A')])}")
    assert fact.subject == "Q7"


@pytest.mark.parametrize(
    ("form", "texts"),
    [
        ("both", ["In 2014, Ada Vale plays for ___.", "In 2014, Which team is Ada Vale a player for? ___"]),
        ("statement", ["In 2014, Ada Vale plays for ___."]),
        ("question", ["In 2014, Which team is Ada Vale a player for? ___"]),
    ],
)
def test_questions_are_joined_by_the_order_in_which_subjects_appear(
    form: str, texts: list[str], write: Callable[..., Path]
) -> None:
    questions = write("questions.jsonl", QUESTIONS)
    one, two, three = load_facts(f"templama:{write('train.jsonl', ROWS)}?questions={questions}&form={form}")
    assert [prompt.text for prompt in one.prompts] == texts
    assert [prompt.text.replace("2015", "2014") for prompt in three.prompts] == texts
    assert "FC Foo" in two.prompts[0].text


def test_questions_of_another_file_are_noticed(
    write: Callable[..., Path], adds_up: Callable[[FactSource], None]
) -> None:
    path = write("train.jsonl", ROWS)
    shifted = write("shifted.jsonl", QUESTIONS[::-1])
    with pytest.raises(BadFact, match=r"train\.jsonl:1: fact 'Q1_P54_2014': .*shifted\.jsonl does not fit"):
        list(load_facts(f"templama:{path}?questions={shifted}"))
    short = write("short.jsonl", QUESTIONS[:1])
    with pytest.raises(BadFact, match=r"train\.jsonl:2: .*short\.jsonl has no line for it"):
        list(load_facts(f"templama:{path}?questions={short}"))
    source = load_facts(f"templama:{path}?questions={short}", skip_bad=True)
    assert [fact.id for fact in source] == ["Q1_P54_2014", "Q1_P54_2015"]
    assert source.skipped == {"no_question": 1}
    adds_up(source)
    broken = write("broken.jsonl", [{"quary": "?"}])
    with pytest.raises(BadFact, match=r"broken\.jsonl:1: .*the field 'query' is missing"):
        list(load_facts(f"templama:{path}?questions={broken}"))
    with pytest.raises(BadSetting, match="there is no file none"):
        load_facts(f"templama:{path}?questions=none")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"answer": []}, "the field 'answer' is empty"),
        ({"answer": [{"wikidata_id": "Q1"}]}, "the field 'answer.name' is missing"),
        ({"answer": ["FC Foo"]}, "the field 'answer' must be an object"),
        ({"query": "Ada Vale plays."}, "this one has none"),
        ({"query": "_X_ plays for _X_."}, "this one has 2"),
        ({"date": 2014}, "'date' must be a text"),
    ],
)
def test_a_bad_row_is_told(change: dict[str, Any], said: str, write: Callable[..., Path]) -> None:
    path = write("val.jsonl", [{**ROWS[0], **change}])
    with pytest.raises(BadFact) as caught:
        list(load_facts(f"templama:{path}"))
    assert str(caught.value).startswith(f"{path}:1: ")
    assert said in str(caught.value)


def test_ids_of_the_other_fine_tuning_file_are_excluded(
    write: Callable[..., Path], adds_up: Callable[[FactSource], None]
) -> None:
    old, new = write("old.jsonl", ROWS), write("new.jsonl", ROWS[2:])
    source = load_facts(f"finetune:{old}?exclude={new}")
    assert [fact.id for fact in source] == ["Q1_P54_2014", "Q2_P286_2014"]
    assert source.left_out == {"excluded": 1}
    assert source.files == (old, new)
    adds_up(source)


def test_the_old_facts_come_after_the_new_ones_without_those_that_are_both(
    write: Callable[..., Path], adds_up: Callable[[FactSource], None]
) -> None:
    old, new = write("old.jsonl", ROWS), write("new.jsonl", ROWS[2:])
    source = load_facts(f"finetune:{new}?old={old}")
    assert [fact.id for fact in source] == [*(row["id"] for row in ROWS[2:]), "Q1_P54_2014", "Q2_P286_2014"]
    assert source.left_out == {"excluded": len(ROWS[2:])}
    assert source.files == (new, old)
    adds_up(source)


def test_only_facts_of_the_files_with_wanted_ids(
    write: Callable[..., Path], adds_up: Callable[[FactSource], None]
) -> None:
    everything, first, last = write("all.jsonl", ROWS), write("first.jsonl", ROWS[:1]), write("last.jsonl", ROWS[-1:])
    for scheme in ("templama", "finetune"):
        source = load_facts(f"{scheme}:{everything}?ids={first},{last}")
        assert [fact.id for fact in source] == [ROWS[0]["id"], ROWS[-1]["id"]]
        assert source.left_out == {"not_selected": len(ROWS) - 2}
        adds_up(source)
    with pytest.raises(BadSetting, match="there is no file"):
        load_facts(f"templama:{everything}?ids={first},nowhere.jsonl")


def counts(spec: str) -> tuple[int, int, int]:
    """Facts, prompts, prompts that end with the blank."""
    facts = prompts = at_end = 0
    for fact in load_facts(spec):
        facts += 1
        prompts += len(fact.prompts)
        at_end += sum(prompt.blank_position == "end" for prompt in fact.prompts)
        assert fact.date is not None
        assert not fact.subject.startswith("Q1_")
    return facts, prompts, at_end


def test_all_rows_of_the_real_files_are_facts(real_data: Path) -> None:
    train, val = f"templama:{real_data}/templama/train.jsonl", f"templama:{real_data}/templama/val.jsonl"
    assert counts(train) == (10_693, 10_693, 10_693 - 2_832)
    assert counts(val) == (4_654, 4_654, 3_588)
    questions = f"?questions={real_data}/dkn/questions.jsonl"
    assert counts(train + questions) == (10_693, 2 * 10_693, 2 * 10_693 - 2_832)
    assert counts(f"{train}{questions}&form=question") == (10_693, 10_693, 10_693)
    with pytest.raises(BadFact, match="does not fit"):
        counts(val + questions)


def test_the_real_fine_tuning_files_share_85_ids(real_data: Path) -> None:
    new, old = real_data / "dkn/finetune/new.jsonl", real_data / "dkn/finetune/old.jsonl"
    assert counts(f"finetune:{new}")[0] == 407
    assert counts(f"finetune:{old}")[0] == 4_265
    source = load_facts(f"finetune:{old}?exclude={new}")
    assert len(list(source)) == 4_265 - 85
    assert source.left_out == {"excluded": 85}
