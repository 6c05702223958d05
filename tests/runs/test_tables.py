"""The tables' schema, what may enter them, and their documentation."""

import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from factneurons.degeneracy.types import STORAGE
from factneurons.errors import BadFact, BadNumber, BadSetting, FactneuronsError
from factneurons.models.types import Neuron
from factneurons.multilingual.settings import RULES
from factneurons.runs.tables import END_MARK, START_MARK, TABLES, describe_tables, table_named, write_tables_into

DOCUMENT = Path(__file__).parents[2] / "docs" / "runs.md"

COMPONENT = {
    "fact_id": "capital/0001",
    "language": "en",
    "component": 1,
    "role": "component",
    "neurons": (Neuron(0, 5), Neuron(np.int64(2), np.int32(7))),
    "size": 2,
    "layers": [0, 2],
    "birth": np.float32(0.5),
    "death": 2,
    "persistence": 1.5,
    "drop_alone": np.float64(0.01),
    "drop_without_others": math.nan,
    "mean_distance": None,
}


def test_the_documentation_shows_the_tables_as_they_are():
    text = DOCUMENT.read_text(encoding="utf-8")
    shown = text.partition(START_MARK)[2].partition(END_MARK)[0].strip()
    assert shown == describe_tables(), "docs/runs.md is old: write_tables_into('docs/runs.md') renews it"


def test_renewing_the_documentation_keeps_what_stands_around(tmp_path):
    document = tmp_path / "runs.md"
    document.write_text(f"before\n{START_MARK}\nold\n{END_MARK}\nafter\n")
    write_tables_into(document)
    assert document.read_text() == f"before\n{START_MARK}\n{describe_tables()}\n{END_MARK}\nafter\n"
    document.write_text("no marks")
    with pytest.raises(FactneuronsError, match="marks"):
        write_tables_into(document)


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_every_table_has_the_key_first_and_explains_itself(table):
    names = [column.name for column in table.columns]
    assert names[:2] == ["fact_id", "language"]
    assert len(names) == len(set(names))
    assert set(table.sort_keys) <= set(names)
    assert all(column.meaning for column in table.columns)
    assert all("null" in column.meaning for column in table.columns if column.optional) or table.name == "degenerate"


def test_an_unknown_table_is_refused_with_the_names_there_are():
    with pytest.raises(BadSetting, match="no table 'neuron'; its tables are: facts, neurons, completeness"):
        table_named("neuron")


def test_values_arrive_as_their_column_says():
    (row,) = TABLES["components"].to_arrow([COMPONENT]).to_pylist()
    assert row["neurons"] == [{"layer": 0, "index": 5}, {"layer": 2, "index": 7}]
    assert (row["birth"], row["death"]) == (0.5, 2.0)
    assert row["drop_without_others"] is None
    assert row["mean_distance"] is None


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, np.float32("nan"), None])
def test_no_number_where_one_must_be_is_refused_with_its_place(bad):
    bar = {"fact_id": "capital/0001", "language": "en", "birth": bad, "death": 2.0, "size": 2, "chosen": True}
    with pytest.raises(BadNumber, match=r"fact 'capital/0001' \(en\), table 'barcodes', column 'birth'"):
        TABLES["barcodes"].to_arrow([bar])


@pytest.mark.parametrize("bad", [math.nan, math.inf, np.float32("-inf"), None])
def test_no_number_becomes_null_where_there_may_be_none(bad):
    table = TABLES["components"].to_arrow([{**COMPONENT, "drop_alone": bad, "birth": bad}])
    assert table["drop_alone"].null_count == table["birth"].null_count == 1


@pytest.mark.parametrize(
    ("column", "bad"),
    [("role", "both"), ("size", 2.5), ("size", "2"), ("neurons", [(0.5, 1)]), ("fact_id", 7)],
)
def test_values_of_another_kind_are_refused(column, bad):
    with pytest.raises(TypeError, match=f"table 'components', column '{column}'"):
        TABLES["components"].to_arrow([{**COMPONENT, column: bad}])


@pytest.mark.parametrize("change", [{"extra": 1}, {"size": ...}])
def test_a_row_has_exactly_the_columns_of_its_table(change):
    row = {name: value for name, value in {**COMPONENT, **change}.items() if value is not ...}
    with pytest.raises(TypeError, match=f"columns missing or unknown: {next(iter(change))}"):
        TABLES["components"].to_arrow([row])


def test_text_that_is_no_unicode_is_refused():
    with pytest.raises(BadFact, match="not valid Unicode"):
        TABLES["components"].to_arrow([{**COMPONENT, "fact_id": "\ud800"}])


def test_details_are_numbers_by_name():
    column = next(column for column in TABLES["degenerate"].columns if column.name == "details")
    assert column.convert({"b": 1, "a": math.nan}) == [{"name": "a", "value": None}, {"name": "b", "value": 1.0}]
    assert isinstance(column.kind.arrow, pa.ListType)


def test_yes_and_no_are_nothing_else():
    column = next(column for column in TABLES["facts"].columns if column.name == "known")
    assert column.convert(np.bool_(True)) is True
    with pytest.raises(TypeError):
        column.convert(1)


def test_the_choices_are_those_of_the_search():
    columns = {column.name: column for column in table_named("degenerate").columns}
    assert columns["storage"].choices == tuple(STORAGE)
    columns = {column.name: column for column in table_named("languages").columns}
    assert columns["rule"].choices == tuple(RULES)
