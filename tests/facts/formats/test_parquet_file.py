from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from factneurons.errors import BadFact
from factneurons.facts.source import load_facts

HEADER = "id,relation,subject,answer,language,prompt,date,aliases,wrong_answers\n"
ROW = "1,capital,Fooland,Barville,en,The capital of Fooland is ___.,2014,Bar City|B,Baz\n"


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
