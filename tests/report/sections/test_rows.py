"""The table of facts: the numbers of the run's tables, and filters that name every row's own values."""

import pytest

from factneurons.report.pictures import strip_path
from factneurons.report.reading import read
from factneurons.report.sections import rows as module
from factneurons.report.sections.rows import by_frequency, fact_table
from factneurons.runs.store import Run


@pytest.fixture(scope="module")
def run(whole_run):
    return Run.open(whole_run)


@pytest.fixture(scope="module")
def table(run):
    return fact_table(read(run, 3))


def test_every_fact_has_a_row_and_the_shown_ones_open(run, table):
    facts = run.table("facts").sort_values(["fact_id", "language"])
    assert [(row.row["fact_id"], row.row["language"]) for row in table.rows] == list(
        zip(facts["fact_id"], facts["language"], strict=True)
    )
    assert [row.in_full for row in table.rows] == [True] * 3 + [False] * 21
    assert table.left_out == 0


def test_filters_name_what_the_tables_say(run, table):
    named = {each.name: each.values for each in table.filters}
    assert set(named) >= {"Relation", "Language", "Known", "Stored"}
    assert all(len(values) > 1 for values in named.values())
    storage = run.table("degenerate").set_index(["fact_id", "language"])["storage"]
    for row in table.rows:
        said = {each.name: each.values[place] for each, place in zip(table.filters, row.filters, strict=True)}
        assert said["Relation"] == row.row["relation"]
        assert said["Language"] == row.row["language"]
        assert said["Known"] == ("yes" if row.row["known"] else "no")
        assert said["Stored"] == row.storage == storage[row.row["fact_id"], row.row["language"]]


def test_strip_and_effect_are_of_the_fact(run, table):
    neurons, tested = run.table("neurons"), run.table("interventions")
    for row in table.rows:
        own = [neurons, tested]
        own = [
            each[(each["fact_id"] == row.row["fact_id"]) & (each["language"] == row.row["language"])] for each in own
        ]
        assert row.strip == strip_path(own[0]["layer"].value_counts().to_dict())
        found = own[1].query("neurons == 'knowledge' and action == 'suppress' and prompts == 'related'")
        if found.empty:
            assert row.effect is None
        elif row.effect is not None:
            before, after = found[["probability_before", "probability_after"]].iloc[0]
            assert row.effect == pytest.approx((after - before) / before)
            assert row.order == (row.number, row.row["probability"], row.row["neurons"], row.effect)
    assert any(row.effect is not None for row in table.rows)


def test_a_run_that_was_only_located_and_too_many_facts(make_run, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LISTED_FACTS", 20)
    table = fact_table(read(Run.open(make_run(tmp_path / "run", stages=("locate",))), 0))
    assert len(table.rows) == 20
    assert table.left_out == 4
    assert {(row.storage, row.effect, row.in_full) for row in table.rows} == {("", None, False)}
    assert {each.name for each in table.filters} == {"Relation", "Language", "Known"}


def test_by_frequency():
    assert by_frequency(["b", "a", "c", "a", "c"]) == ["a", "c", "b"]
