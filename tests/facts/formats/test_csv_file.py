from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from factneurons.errors import BadFact
from factneurons.facts.problems import REASONS
from factneurons.facts.source import FactSource, load_facts

HEADER = "id,relation,subject,answer,language,prompt,date,aliases,wrong_answers\n"
ROW = "1,capital,Fooland,Barville,en,The capital of Fooland is ___.,2014,Bar City|B,Baz\n"


def test_the_byte_order_mark_of_a_spreadsheet_is_fine(write: Callable[..., Path]) -> None:
    assert len(list(load_facts(write("facts.csv", b"\xef\xbb\xbf" + (HEADER + ROW).encode())))) == 1


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
