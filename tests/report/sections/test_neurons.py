"""The neurons of a run: counts that the tables bear out, and links that lead back to their facts."""

from collections import Counter

import pytest

from factneurons.models.types import Neuron
from factneurons.report.reading import read
from factneurons.report.sections import neurons as module
from factneurons.report.sections.neurons import neurons_of
from factneurons.runs.store import Run


@pytest.fixture(scope="module")
def run(whole_run):
    return Run.open(whole_run)


@pytest.fixture(scope="module")
def reading(run):
    return read(run, 3)


@pytest.fixture
def shared(reading):
    """The reading, with every neuron's index cut down so that facts share neurons, and with what two of them write."""
    old, written = reading.neurons, reading.written
    reading.neurons = old.assign(index=old["index"] % 5)
    reading.written = {Neuron(7, 0): (list("abcdefgh"), list("z")), Neuron(7, 1): (["x"], [])}
    yield reading
    reading.neurons, reading.written = old, written


def test_those_that_serve_most_facts_come_first(shared):
    told = neurons_of(shared)
    table = shared.neurons
    served = Counter(zip(table["layer"], table["index"], strict=True))
    assert {row.neuron: row.facts for row in told.rows} == {Neuron(*key): n for key, n in served.items()}
    counts = [row.facts for row in told.rows]
    assert counts == sorted(counts, reverse=True)
    assert told.total == len(served)
    assert told.shared == sum(n > 1 for n in served.values()) > 0
    assert told.left_out == 0
    for row in told.rows:
        assert row.more + len(row.named) == row.facts
        own = table[(table["layer"] == row.neuron.layer) & (table["index"] == row.neuron.index)]
        assert row.score == pytest.approx(own["score"].mean())
        facts = set(zip(own["fact_id"], own["language"], strict=True))
        for fact in row.named:
            assert (fact.row["fact_id"], fact.row["language"]) in facts
            numbered = shared.facts.iloc[fact.number - 1]
            assert (numbered["fact_id"], numbered["language"]) == (fact.row["fact_id"], fact.row["language"])
        said = dict(zip((each.name for each in told.filters), row.filters, strict=True))
        relations = next(each.values for each in told.filters if each.name == "Relation")
        assert {relations[int(place)] for place in said["Relation"].split(",")} == set(own["relation"])


def test_what_a_neuron_writes(shared):
    by_neuron = {row.neuron: row for row in neurons_of(shared).rows}
    assert list(by_neuron[Neuron(7, 0)].promotes) == list("abcde")
    assert list(by_neuron[Neuron(7, 0)].suppresses) == ["z"]
    assert list(by_neuron[Neuron(7, 2)].promotes) == []


def test_the_matrix_shares_out_each_relation(reading):
    matrix = neurons_of(reading).matrix
    assert {row.relation: row.facts for row in matrix} == Counter(reading.facts["relation"])
    for row in matrix:
        own = Counter(reading.neurons.query("relation == @row.relation")["layer"])
        assert list(row.counts) == [own[layer] for layer in range(reading.layers)]
        assert sum(row.shares) == pytest.approx(1)


def test_what_is_not_listed_is_counted(reading, monkeypatch):
    monkeypatch.setattr(module, "LISTED_NEURONS", 7)
    monkeypatch.setattr(module, "_LISTED_RELATIONS", 1)
    told = neurons_of(reading)
    assert len(told.rows) == len(told.listed) == 7
    assert told.left_out == told.total - 7
    assert len(told.matrix) == told.relations_left_out == 1


def test_a_run_without_neurons_has_none(reading):
    empty = read(reading.run, 0)
    empty.neurons = empty.neurons.iloc[:0]
    assert neurons_of(empty) is None
