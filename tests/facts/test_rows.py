"""Rows of CSV files, beside what the standard library reads."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from factneurons.facts.problems import BadRecord
from factneurons.facts.rows import Row, csv_rows

CELL = st.text(st.characters(exclude_characters="\0\ufeff", exclude_categories=("Cs",)), max_size=5)
ROWS = st.lists(st.lists(CELL, min_size=2, max_size=4), max_size=5)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rows=ROWS, mark=st.booleans(), end=st.sampled_from(["\n", "\r\n"]))
def test_what_is_written_is_read_again(rows, mark, end, tmp_path):
    file = io.StringIO(newline="")
    csv.writer(file, lineterminator=end, quoting=csv.QUOTE_ALL).writerows([["a", "b"], *rows])
    path = tmp_path / "rows.csv"
    path.write_bytes(b"\xef\xbb\xbf" * mark + file.getvalue().encode())
    read = list(csv_rows(path))
    assert [row.number for row in read] == list(range(1, len(rows) + 1))
    for row, cells in zip(read, rows, strict=True):
        if len(cells) == 2:
            assert (row.problem, row.cells) == (None, {"a": cells[0], "b": cells[1]})
        else:
            assert row.cells == {}
            assert f"the row has {len(cells)} cells, the header 2" in row.problem.detail


def test_a_row_knows_the_line_it_begins_in(write: Callable[..., Path]) -> None:
    path = write("rows.csv", 'a,b\n1,"x\ny"\n\n2,z\n')
    assert list(csv_rows(path)) == [
        Row(f"{path}:2", 1, {"a": "1", "b": "x\ny"}),
        Row(f"{path}:5", 2, {"a": "2", "b": "z"}),
    ]


def test_a_row_that_cannot_be_read_is_alone_with_its_problem(write: Callable[..., Path]) -> None:
    rows = list(csv_rows(write("rows.csv", b'a,b\n1,\xff\n2,"x"y\n3,z\n')))
    assert [row.problem.reason if row.problem else None for row in rows] == ["encoding", "unreadable", None]
    assert rows[2].where.endswith(":4")
    assert rows[2].cells == {"a": "3", "b": "z"}


@pytest.mark.parametrize(
    ("text", "said"), [(b"a, a\n", "two columns are called 'a'"), (b"\xff\n", "no UTF-8 text"), (b'"a"b\n', "no valid")]
)
def test_a_header_that_cannot_be_used_is_refused_with_its_line(text, said, write: Callable[..., Path]) -> None:
    path = write("rows.csv", text)
    with pytest.raises(BadRecord, match=rf"{path}:1: .*{said}"):
        list(csv_rows(path))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.binary(max_size=100))
def test_arbitrary_bytes_give_rows_or_problems_in_order(data, tmp_path):
    path = tmp_path / "any.csv"
    path.write_bytes(b"a,b\n" + data)
    rows = list(csv_rows(path))
    at = [int(row.where.rpartition(":")[2]) for row in rows]
    assert at == sorted(set(at))
    assert all((row.problem is None) == (set(row.cells) == {"a", "b"}) for row in rows)
