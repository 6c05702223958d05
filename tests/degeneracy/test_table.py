"""The table over many facts and its data frames."""

from __future__ import annotations

import pytest

from factneurons.degeneracy.find import find_degenerate
from factneurons.degeneracy.settings import DegeneracySettings
from factneurons.degeneracy.table import BARCODE_COLUMNS, COMPONENT_COLUMNS, FACT_COLUMNS
from factneurons.errors import BadFact


@pytest.fixture
def table(formula_model, known_neurons, blocks):
    groups = blocks(6, 6)
    neurons = [neuron for group in groups for neuron in group]

    def formula(text, suppressed):
        return 0.9 if any(not set(group) & suppressed for group in groups) else 0.02

    model = formula_model(groups, formula)
    facts = [
        known_neurons(neurons),
        known_neurons(neurons, language="zh"),
        known_neurons(neurons[:1], id="capital/lone"),
    ]
    return find_degenerate(model, facts, settings=DegeneracySettings(clusterer="ntc"))


def test_collection(table):
    assert len(table) == 3
    assert [row.fact.language for row in table] == ["en", "zh", "en"]
    assert table["capital/lone"].reason == "too-few-neurons"
    assert table["capital/foo", "zh"].fact.language == "zh"
    with pytest.raises(BadFact, match="en, zh"):
        table["capital/foo"]
    with pytest.raises(BadFact, match="not among the 3"):
        table["capital/bar"]
    with pytest.raises(BadFact, match="not among the 3"):
        table["capital/lone", "zh"]


def test_a_fact_comes_once(formula_model, known_neurons):
    known = known_neurons([])
    with pytest.raises(BadFact, match="twice"):
        find_degenerate(formula_model([], None), [known, known])


def test_frames(table):
    facts = table.to_frame()
    assert list(facts.columns) == list(FACT_COLUMNS)
    assert facts["grouping"].tolist() == ["distinct", "distinct", "no-groups"]
    assert facts["neurons"].tolist() == [12, 12, 0]
    assert facts["probability"].isna().tolist() == [False, False, True]
    components = table.components_frame()
    assert list(components.columns) == list(COMPONENT_COLUMNS)
    assert components["passed"].tolist() == [True] * 4
    assert components.groupby(["fact_id", "language"])["size"].sum().tolist() == [12, 12]
    assert components["drop_without_components"].tolist() == [0] * 4
    barcode = table.barcode_frame()
    assert list(barcode.columns) == list(BARCODE_COLUMNS)
    assert (barcode["death"] - barcode["birth"]).tolist() == barcode["persistence"].tolist()
    assert barcode.groupby("language")["chosen"].sum().tolist() == [2, 2]


def test_frames_of_nothing(formula_model):
    empty = find_degenerate(formula_model([], None), [])
    assert list(empty.to_frame().columns) == list(FACT_COLUMNS)
    assert len(empty.components_frame()) == len(empty.barcode_frame()) == 0
