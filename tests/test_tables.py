"""Tables: from records to rows, frames and files; what may enter them; old names; results by key."""

import math
import subprocess
import sys
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pytest

from factneurons.errors import BadFact, BadNumber, BadRun, BadSetting
from factneurons.facts.types import Fact, Prompt
from factneurons.models.types import Neuron
from factneurons.tables import (
    FLAG,
    INTEGER,
    KEY,
    NAMED_NUMBERS,
    NEURONS,
    NUMBER,
    RELATION,
    TEXT,
    Column,
    Formerly,
    ResultTable,
    Table,
    rows_of,
)


@dataclass(frozen=True)
class Guess:
    fact: Fact
    scores: tuple[float, ...]
    word: str = "yes"


class Score(NamedTuple):
    fact: Fact
    place: int
    value: float


GUESSES: Table[Guess] = Table(
    "guesses",
    "One row per fact.",
    (
        *KEY,
        RELATION,
        Column("count", INTEGER, "how many a|b", lambda guess: len(guess.scores)),
        Column("best", NUMBER, "the best; null: none", lambda guess: max(guess.scores, default=math.nan), True),
        Column(
            "word",
            TEXT,
            "a word",
            lambda guess: guess.word,
            choices=("yes", "no"),
            formerly=Formerly("verdict", {"true": "yes", "false": "no"}),
        ),
    ),
)
SCORES: Table[Score] = Table(
    "scores",
    "One row per score.",
    (
        *KEY,
        Column("place", INTEGER, "from 1", lambda score: score.place),
        Column("value", NUMBER, "the score", lambda score: score.value),
    ),
    order=("place",),
    records=lambda guess: [Score(guess.fact, place, value) for place, value in enumerate(guess.scores, start=1)],
)


def fact(name, language="en"):
    return Fact(name, "capital", "France", "Paris", language, (Prompt("The capital of France is ___."),))


@pytest.fixture
def results():
    rows = (Guess(fact("a"), (0.5, 0.25)), Guess(fact("b"), (), "no"), Guess(fact("b", "zh"), (1.0,)))
    return ResultTable(rows, (GUESSES, SCORES))


def test_rows_and_frames_are_read_off_the_records(results):
    assert rows_of((GUESSES, SCORES), results.rows)["guesses"][1] == {
        "fact_id": "b",
        "language": "en",
        "relation": "capital",
        "count": 0,
        "best": pytest.approx(math.nan, nan_ok=True),
        "word": "no",
    }
    frame = results.to_frame()
    assert list(frame.columns) == GUESSES.names
    assert frame["count"].tolist() == [2, 0, 1]
    assert frame["best"].isna().tolist() == [False, True, False]
    scores = results.to_frame("scores")
    assert scores[["fact_id", "language", "place", "value"]].to_numpy().tolist() == [
        ["a", "en", 1, 0.5],
        ["a", "en", 2, 0.25],
        ["b", "zh", 1, 1.0],
    ]
    with pytest.raises(BadSetting, match="no table 'score' of these results; there are: guesses, scores"):
        results.to_frame("score")


def test_a_frame_of_nothing_has_its_columns():
    frame = ResultTable((), (GUESSES,)).to_frame()
    assert list(frame.columns) == GUESSES.names
    assert len(frame) == 0


def test_results_are_found_by_place_by_id_and_by_language(results):
    assert len(results) == 3
    assert [each.fact.id for each in results] == ["a", "b", "b"]
    assert results[0] is results["a"] is results["a", "en"]
    assert results["b", "zh"] is results[-1]
    with pytest.raises(BadFact, match=r"fact 'b': it is here in en, zh; ask with \(id, language\)"):
        results["b"]
    with pytest.raises(BadFact, match="fact 'c': it is not among the 3 of this table"):
        results["c"]
    with pytest.raises(BadFact, match="not among the 3"):
        results["a", "zh"]
    with pytest.raises(BadFact, match="it is here 2 times; ask by place"):
        ResultTable((results[0], results[0]), (GUESSES,))["a"]


def test_old_names_and_values_read():
    old = pa.table(
        {
            "fact_id": ["a", "b"],
            "language": ["en", "en"],
            "relation": ["capital", "capital"],
            "count": [2, 0],
            "verdict": ["true", "no"],
        }
    )
    read = GUESSES.from_arrow(old)
    assert read.schema == GUESSES.schema
    assert read["word"].to_pylist() == ["yes", "no"]
    assert read["best"].null_count == 2  # a column that did not exist yet, and may be empty
    assert GUESSES.from_arrow(read) is read
    with pytest.raises(BadRun, match="table 'guesses' lacks: count"):
        GUESSES.from_arrow(old.drop_columns(["count"]))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, np.float32("nan"), None])
def test_no_number_where_one_must_be_is_refused_with_its_place(bad):
    with pytest.raises(BadNumber, match=r"fact 'a' \(en\), table 'scores', column 'value'"):
        SCORES.to_arrow([SCORES.row(Score(fact("a"), 1, bad))])


@pytest.mark.parametrize("bad", [math.nan, math.inf, np.float32("-inf"), None])
def test_no_number_becomes_null_where_there_may_be_none(bad):
    table = GUESSES.to_arrow([{**GUESSES.row(Guess(fact("a"), ())), "best": bad}])
    assert table["best"].null_count == 1


@pytest.mark.parametrize(("column", "bad"), [("word", "maybe"), ("count", 2.5), ("count", "2"), ("fact_id", 7)])
def test_values_of_another_kind_are_refused(column, bad):
    with pytest.raises(TypeError, match=f"table 'guesses', column '{column}'"):
        GUESSES.to_arrow([{**GUESSES.row(Guess(fact("a"), ())), column: bad}])


@pytest.mark.parametrize("change", [{"extra": 1}, {"count": ...}])
def test_a_row_has_exactly_the_columns_of_its_table(change):
    row = {**GUESSES.row(Guess(fact("a"), ())), **change}
    row = {name: value for name, value in row.items() if value is not ...}
    with pytest.raises(TypeError, match=f"columns missing or unknown: {next(iter(change))}"):
        GUESSES.to_arrow([row])


def test_text_that_is_no_unicode_is_refused():
    with pytest.raises(BadFact, match="not valid Unicode"):
        SCORES.to_arrow([SCORES.row(Score(fact("\ud800"), 1, 0.5))])


def column(kind):
    return Column("x", kind, "a value", lambda record: record)


def test_values_arrive_as_their_kind_says():
    neurons = column(NEURONS).convert((Neuron(0, 5), Neuron(np.int64(2), np.int32(7))))
    assert neurons == [{"layer": 0, "index": 5}, {"layer": 2, "index": 7}]
    named = column(NAMED_NUMBERS).convert({"b": 1, "a": math.nan})
    assert named == [{"name": "a", "value": None}, {"name": "b", "value": 1.0}]
    assert column(NUMBER).convert(np.float32(0.5)) == 0.5
    assert column(FLAG).convert(np.bool_(True)) is True
    for kind, bad in ((FLAG, 1), (NEURONS, [(0.5, 1)])):
        with pytest.raises(TypeError):
            column(kind).convert(bad)


def test_a_table_describes_itself():
    lines = GUESSES.describe().splitlines()
    assert lines[:2] == ["| column | type | meaning |", "| --- | --- | --- |"]
    assert r"| `count` | integer | how many a\|b |" in lines


def test_declaring_tables_imports_neither_pandas_nor_pyarrow():
    code = "import sys, factneurons.tables; print(sorted({'pandas', 'pyarrow', 'torch'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
