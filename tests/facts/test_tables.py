from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from factneurons.errors import BadFact, BadSetting
from factneurons.facts.problems import REASONS
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


def test_the_byte_order_mark_of_a_spreadsheet_is_fine(write: Callable[..., Path]) -> None:
    assert len(list(load_facts(write("facts.csv", b"\xef\xbb\xbf" + (HEADER + ROW).encode())))) == 1


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


def test_a_row_that_is_no_utf8_is_skipped_alone(write: Callable[..., Path]) -> None:
    bad = ROW.replace("1,", "2,", 1).encode().replace(b"Fooland", b"F\xe9")
    path = write("facts.csv", (HEADER + ROW).encode() + bad + ROW.replace("1,", "3,", 1).encode())
    with pytest.raises(BadFact, match=r"facts.csv:3: no UTF-8 text at byte"):
        list(load_facts(path))
    source = load_facts(path, skip_bad=True)
    assert [fact.source.rpartition(":")[2] for fact in source] == ["2", "4"]
    assert source.skipped == {"encoding": 1}


def test_an_open_quotation_mark_does_not_swallow_memory(write: Callable[..., Path]) -> None:
    path = write("facts.csv", HEADER + '1,"' + "x\n" * 200_000)
    with pytest.raises(BadFact, match="no valid CSV: field larger than field limit"):
        list(load_facts(path))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,id\n", "two columns are called 'id'"),
        ("relation,subject,answer,prompt\nr,S,A,___\n", "there is no column 'id', only relation, subject,"),
    ],
)
def test_a_header_that_cannot_be_used(text: str, said: str, write: Callable[..., Path]) -> None:
    with pytest.raises(BadFact, match=said):
        list(load_facts(write("facts.csv", text)))


def test_an_empty_table_has_no_facts(write: Callable[..., Path]) -> None:
    assert list(load_facts(write("facts.csv", ""))) == []
    assert list(load_facts(write("head.csv", HEADER))) == []


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


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.binary(max_size=150), header=st.booleans())
def test_arbitrary_bytes_give_facts_or_reasons(
    data: bytes, header: bool, tmp_path: Path, adds_up: Callable[[FactSource], None]
) -> None:
    path = tmp_path / "any.csv"
    path.write_bytes(HEADER.encode() * header + data)
    source = load_facts(path, skip_bad=True)
    facts, header_problem = [], ""
    try:
        facts = list(source)
    except BadFact as problem:
        header_problem = str(problem)
    assert not header_problem or (not header and header_problem.startswith(f"{path}:1: "))
    adds_up(source)
    assert len(facts) == source.read
    assert set(source.skipped) <= set(REASONS)


def parquet(path: Path, **columns: list[Any]) -> Path:
    pyarrow.parquet.write_table(pyarrow.table(columns), path, row_group_size=2)
    return path


def test_parquet_gives_the_same_facts_as_csv(write: Callable[..., Path], tmp_path: Path) -> None:
    names = HEADER.strip().split(",")
    cells: dict[str, list[Any]] = {name: [cell] * 3 for name, cell in zip(names, ROW.strip().split(","), strict=True)}
    cells["id"] = [1, 1, 2]
    cells["date"] = [2014] * 3
    cells["aliases"] = [["Bar City", "B"]] * 3
    cells["prompt"] = ["It is ___.", "Is it? ___", "___ is it."]
    rows = [ROW.replace("The capital of Fooland is ___.", prompt) for prompt in cells["prompt"]]
    text = HEADER + rows[0] + rows[1] + rows[2].replace("1,", "2,", 1)
    from_parquet = load_facts(parquet(tmp_path / "facts.parquet", **cells))
    assert list(from_parquet) == list(load_facts(write("facts.csv", text)))
    assert [fact.source.rpartition(":")[2] for fact in from_parquet] == ["1", "3"]


def test_wrong_types_in_parquet_are_told(tmp_path: Path) -> None:
    path = parquet(
        tmp_path / "facts.parquet", id=["1"], relation=["r"], subject=[1.5], answer=["A"], prompts=[["It is ___"]]
    )
    with pytest.raises(BadFact, match=r"facts.parquet:1: fact '1': the field 'subject' must be a text, not a number"):
        list(load_facts(path))


@pytest.mark.parametrize("content", [b"", b"no parquet at all", b"PAR1" + b"\0" * 50 + b"PAR1"])
def test_a_broken_parquet_file_is_one_line(content: bytes, write: Callable[..., Path]) -> None:
    path = write("facts.parquet", content)
    with pytest.raises(BadFact, match=r"facts.parquet:1: no readable Parquet file") as caught:
        list(load_facts(path))
    assert "\n" not in str(caught.value)
    source = load_facts(path, skip_bad=True)
    assert list(source) == []
    assert source.skipped == {"unreadable": 1}
