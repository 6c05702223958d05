from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from factneurons.errors import BadFact, BadSetting
from factneurons.facts.source import FactSource, load_facts

HEADER = "id,relation,subject,answer,language,prompt,date,aliases,wrong_answers\n"
ROW = "1,capital,Fooland,Barville,en,The capital of Fooland is ___.,2014,Bar City|B,Baz\n"


def test_rows_of_the_same_id_that_follow_each_other_are_one_fact(write: Callable[..., Path]) -> None:
    second = ROW.replace("The capital of Fooland is ___.", "[MASK] is the capital of Fooland")
    other = ROW.replace("1,", "2,", 1)
    source = load_facts(write("facts.csv", HEADER + ROW + second + other))
    one, two = source
    assert [prompt.text for prompt in one.prompts] == [
        "The capital of Fooland is ___.",
        "___ is the capital of Fooland",
    ]
    assert (one.id, one.date, one.aliases, one.wrong_answers) == ("1", "2014", ("Bar City", "B"), ("Baz",))
    assert two.id == "2"
    assert one.source.endswith("facts.csv:2")
    assert two.source.endswith("facts.csv:4")
    assert source.records == source.read == 2


def test_prompts_of_one_row_and_what_is_optional(write: Callable[..., Path]) -> None:
    text = 'id,relation,subject,answer,prompts,more\n1,r,S,A,It is ___.|Is it? ___,x\n2,r,S,A,"A ""___""\nB",x\n'
    one, two = load_facts(write("facts.csv", text))
    assert [prompt.text for prompt in one.prompts] == ["It is ___.", "Is it? ___"]
    assert (one.language, one.date) == ("en", None)
    assert two.prompts[0].text == 'A "___"\nB'


@pytest.mark.parametrize(
    ("rows", "line", "reason", "said"),
    [
        ([ROW, "2,capital,Foo\n"], 3, "unreadable", "the row has 3 cells, the header 9"),
        ([ROW, '2,"capital"x,Foo\n'], 3, "unreadable", "no valid CSV"),
        ([ROW.replace("___", "...")], 2, "blank_count", "this one has none"),
        ([ROW.replace("Barville,", ",")], 2, "empty_field", "the column 'answer' is empty"),
        ([ROW, ROW.replace("Barville,", "Bazton,")], 3, "rows_disagree", "its answer is 'Bazton' but 'Barville'"),
        ([ROW, ROW.replace("___", "...")], 3, "blank_count", "this one has none"),
        ([ROW.replace("Baz\n", "Barville\n")], 2, "wrong_answer_is_right", "right one"),
        ([ROW.replace("The capital of Fooland is ___.", "")], 2, "no_prompt", "give a column `prompt`"),
        ([ROW.replace("Fooland,", "Foo\0land,")], 2, "encoding", "NUL"),
        ([ROW, ROW.replace("1,", "2,", 1), ROW], 4, "duplicate_fact", "ids must be unique"),
    ],
)
def test_a_bad_row_is_one_line_and_the_rest_goes_on(
    rows: list[str],
    line: int,
    reason: str,
    said: str,
    write: Callable[..., Path],
    adds_up: Callable[[FactSource], None],
) -> None:
    path = write("facts.csv", HEADER + "".join(rows) + ROW.replace("1,", "last,", 1))
    with pytest.raises(BadFact) as caught:
        list(load_facts(path))
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert said in str(caught.value)
    source = load_facts(path, skip_bad=True)
    assert [fact.id for fact in source][-1] == "last"
    assert source.skipped == {reason: 1}
    adds_up(source)


def test_columns_of_other_names_constants_and_row_numbers(write: Callable[..., Path]) -> None:
    path = write("facts.csv", "sub,obj,text\nFooland,Barville,The capital of Fooland is\nBarland,Foo,It is {}.\n")
    columns = "columns=id:#,relation:=capital,subject:sub,answer:obj,prompt:text"
    with pytest.raises(BadFact, match="this one has none"):
        list(load_facts(f"{path}?{columns}"))
    source = load_facts(f"{path}?{columns}&blank=end", limit=1)
    assert [(fact.id, fact.relation, fact.prompts[0].text) for fact in source] == [
        ("1", "capital", "The capital of Fooland is ___")
    ]
    (marked,) = load_facts(f"{path}?{columns}&blank={{}}", skip_bad=True)
    assert marked.prompts[0].text == "It is ___."


@pytest.mark.parametrize("columns", ["id", "id:", "ident:x", ""])
def test_wrong_column_options_are_refused(columns: str, write: Callable[..., Path]) -> None:
    with pytest.raises(BadSetting, match="the option 'columns'"):
        load_facts(f"{write('facts.csv', HEADER)}?columns={columns}")


def test_a_mapped_column_that_is_not_there_is_named(write: Callable[..., Path]) -> None:
    path = write("facts.csv", HEADER + ROW)
    with pytest.raises(BadFact, match="there is no column 'nonsense', only id, relation"):
        list(load_facts(f"{path}?columns=date:nonsense"))


@pytest.mark.parametrize(
    ("cell", "options", "aliases"),
    [
        ('"[""Bar"", ""Barville"", ""B""]"', "", ("Bar", "B")),
        ("\"['Bar', 'B']\"", "", ("Bar", "B")),
        ("Bar|B", "", ("Bar", "B")),
        ('"Bar, B"', "&separator=, ", ("Bar", "B")),
    ],
)
def test_lists_inside_cells(cell: str, options: str, aliases: tuple[str, ...], write: Callable[..., Path]) -> None:
    path = write("facts.csv", f"id,r,s,a,p,more\n1,r,Fooland,Barville,It is ___.,{cell}\n")
    columns = "columns=relation:r,subject:s,answer:a,prompt:p,aliases:more"
    assert [fact.aliases for fact in load_facts(f"{path}?{columns}{options}")] == [aliases]


@pytest.mark.parametrize(
    ("column", "said"),
    [("wrong_answers", "'Rome, Barville' holds the right one: is it a list"), ("candidates", "")],
)
def test_a_list_with_the_right_answer_in_it_is_no_wrong_answer(
    column: str, said: str, write: Callable[..., Path]
) -> None:
    path = write(
        "facts.csv", f'id,relation,subject,answer,prompt,{column}\n1,r,S,Barville,It is ___.,"Rome, Barville"\n'
    )
    if said:
        with pytest.raises(BadFact, match=said):
            list(load_facts(path))
    else:
        assert [fact.wrong_answers for fact in load_facts(f"{path}?separator=, ")] == [("Rome",)]


def test_a_cell_that_only_looks_like_a_list_is_refused(write: Callable[..., Path]) -> None:
    path = write(
        "facts.csv", "id,relation,subject,answer,prompt,aliases\n1,r,S,A,It is ___.,[B\n2,r,S,A,It is ___.,[B]\n"
    )
    with pytest.raises(BadFact, match=r"facts.csv:3: .*looks like a list and is none"):
        list(load_facts(path))


def test_patterns_of_others_are_filled(write: Callable[..., Path]) -> None:
    path = write("facts.csv", "id,relation,subject,answer,prompt\n1,r,Fooland,B,[X] has [Y].\n2,r,Bar,B,{} has ___.\n")
    assert [fact.prompts[0].text for fact in load_facts(path)] == ["Fooland has ___.", "Bar has ___."]


def test_json_lines_and_lists_tabs_and_packed_files(write: Callable[..., Path], tmp_path: Path) -> None:
    record = {"case": 1, "edit": {"about": "Fooland", "answers": ["B", "Bar"]}, "q": "It is", "q2": "Is it"}
    columns = (
        "columns=id:case,relation:=r,subject:edit.about,answer:edit.answers.0,aliases:edit.answers,prompts:q+q2+q3?"
    )
    tabs = "id\trelation\tsubject\tanswer\tprompt\n1\tr\tFooland\tB\tIt is, of all, ___.\n"
    paths = [
        write("a.jsonl", [record]),
        write("b.json", [record, {**record, "case": 2}]),
        write("c.json", json.dumps([record], indent=1)),
        write("d.jsonl.gz", gzip.compress(json.dumps(record).encode())),
    ]
    for path in paths:
        fact = next(iter(load_facts(f"{path}?{columns}&blank=end")))
        assert (fact.id, fact.subject, fact.answer, fact.aliases) == ("1", "Fooland", "B", ("Bar",))
        assert [prompt.text for prompt in fact.prompts] == ["It is ___", "Is it ___"]
    for path in (write("e.tsv", tabs), write("f.tsv.gz", gzip.compress(tabs.encode()))):
        assert [fact.answer for fact in load_facts(path)] == ["B"]
    with pytest.raises(BadFact, match="this looks tab-separated"):
        list(load_facts(write("g.csv", tabs)))
    for packed in (gzip.compress(tabs.encode())[:-9], b"no gzip at all"):
        with pytest.raises(BadSetting, match="cannot be read"):
            list(load_facts(write("h.tsv.gz", packed)))
