"""The tables of degenerate neurons, in memory and as a run keeps them."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest

from factneurons.degeneracy.find import find_degenerate
from factneurons.degeneracy.settings import DegeneracySettings
from factneurons.degeneracy.tables import (
    ACQUISITION,
    BARCODES,
    CARRIED,
    COMPONENTS,
    DEGENERATE,
    FOUND,
    PAIRS,
    DegenerateNeuronTable,
    DegeneratePairTable,
)
from factneurons.degeneracy.types import (
    STORAGE,
    AcquisitionCurve,
    AcquisitionPoint,
    Bar,
    Carried,
    CarriedFacts,
    Component,
    DegenerateNeurons,
    DegeneratePair,
    DegeneratePairs,
    FactCurves,
    PromptPairs,
)
from factneurons.errors import BadFact, BadNumber, BadSetting
from factneurons.facts.types import Fact, Prompt
from factneurons.models.types import Neuron, Query
from factneurons.tables import ResultTable

FACT = Fact("capital/france", "capital", "France", "Paris", "en", (Prompt("The capital of France is ___."),))


@pytest.fixture
def table(formula_model, known_neurons, blocks):
    groups = blocks(6, 6)
    neurons = [neuron for group in groups for neuron in group]

    def formula(text, suppressed):
        return 0.9 if any(not set(group) & suppressed for group in groups) else 0.02

    model = formula_model(groups, formula)
    facts = [
        known_neurons(neurons, prompts=2),
        known_neurons(neurons, prompts=2, language="zh"),
        known_neurons(neurons[:1], id="capital/lone"),
    ]
    return find_degenerate(model, facts, settings=DegeneracySettings(clusterer="ntc"))


def found_of(**changes):
    first = Component((Neuron(0, 1), Neuron(2, 3)), 0.1, 2.0, 0.02, 0.1, 0.5)
    second = Component((Neuron(1, 1), Neuron(1, 9)), 0.2, 4.0, 0.01, 0.2, math.nan)
    failing = Component((Neuron(0, 4),), 0.3, 0.4, 0.5, math.nan, math.nan)
    values = {
        "fact": FACT,
        "components": (first, second),
        "candidates": (failing, first, second),
        "barcode": (Bar(0.1, 2.0, first.neurons, True), Bar(0.3, 0.4, failing.neurons, False)),
        "reason": "",
        "drop_all": 0.9,
        "degeneracy_index": 0.979,
        "coverage": 0.8,
        "grouping": "distinct",
        "storage": "degenerate",
        "knowledge_neurons": 5,
        "details": {"margin": 0.5},
    }
    return DegenerateNeurons(**values | changes)


def test_results_of_a_search(table):
    assert [row.fact.language for row in table] == ["en", "zh", "en"]
    assert table["capital/lone"].reason == "too-few-neurons"
    with pytest.raises(BadFact, match="en, zh"):
        table["capital/foo"]
    facts = table.to_frame()
    assert facts["grouping"].tolist() == ["distinct", "distinct", "no-groups"]
    assert facts["knowledge_neurons"].tolist() == [12, 12, 1]
    components = table.to_frame("components")
    assert components["role"].tolist() == ["component"] * 4
    assert components["component"].tolist() == [1, 2, 1, 2]
    assert components.groupby(["fact_id", "language"])["size"].sum().tolist() == [12, 12]
    assert components["drop_without_others"].tolist() == [0] * 4
    assert table.to_frame("barcodes").groupby("language")["chosen"].sum().tolist() == [2, 2]


def test_a_fact_comes_once(formula_model, known_neurons):
    known = known_neurons([])
    with pytest.raises(BadFact, match="twice"):
        find_degenerate(formula_model([], None), [known, known])


def test_frames_of_nothing(formula_model):
    empty = find_degenerate(formula_model([], None), [])
    for declared in FOUND:
        frame = empty.to_frame(declared.name)
        assert list(frame.columns) == declared.names
        assert len(frame) == 0


def test_components_that_pass_come_first():
    components = COMPONENTS.frame([found_of()])
    assert components["role"].tolist() == ["component", "component", "candidate"]
    assert components["component"].tolist() == [1, 2, 3]
    assert components["size"].tolist() == [2, 2, 1]
    assert [list(layers) for layers in components["layers"]] == [[0, 2], [1], [0]]
    assert components["neurons"][0].tolist() == [{"layer": 0, "index": 1}, {"layer": 2, "index": 3}]
    assert components["persistence"].tolist() == pytest.approx([1.9, 3.8, 0.1])
    assert components["mean_distance"].isna().tolist() == [False, True, True]
    row = DEGENERATE.frame([found_of()]).iloc[0]
    assert (row.components, row.candidates, row.knowledge_neurons, row.grouping) == (2, 3, 5, "distinct")
    assert row.details.tolist() == [{"name": "margin", "value": 0.5}]
    assert BARCODES.frame([found_of()])["chosen"].tolist() == [True, False]


def test_no_degenerate_neurons_is_a_row_with_its_reason():
    nothing = found_of(components=(), candidates=(), barcode=(), reason="too-few-neurons", drop_all=math.nan)
    assert DEGENERATE.frame([nothing])["reason"].tolist() == ["too-few-neurons"]
    assert DEGENERATE.frame([nothing])["drop_all"].isna().all()
    assert COMPONENTS.rows([nothing]) == BARCODES.rows([nothing]) == []


@pytest.mark.parametrize("bad", [math.nan, math.inf, np.float32("nan"), None])
def test_no_distance_where_one_must_be_is_refused_with_its_place(bad):
    broken = found_of(barcode=(Bar(bad, 2.0, (Neuron(0, 1),), True),))
    with pytest.raises(BadNumber, match=r"fact 'capital/france' \(en\), table 'barcodes', column 'birth'"):
        BARCODES.frame([broken])


def test_a_curve_is_a_row_for_each_number_of_groups():
    points = (AcquisitionPoint(1, 2, 0.1), AcquisitionPoint(2, 1, 0.9))
    frame = ACQUISITION.frame([FactCurves(FACT, "ntc", (AcquisitionCurve("components", 7, points),))])
    assert frame.drop(columns=["fact_id", "language"]).to_numpy().tolist() == [
        ["ntc", "components", 2, 7, 1, 2, 0.1],
        ["ntc", "components", 2, 7, 2, 1, 0.9],
    ]


def test_what_components_carry_is_numbered_as_they_are():
    carried = Carried((Neuron(0, 1),), (), 0.3, math.nan, math.nan, 0.2, 0.25, 0.1)
    frame = CARRIED.frame([CarriedFacts(FACT, 20, (carried, carried), "others")])
    assert frame["component"].tolist() == [1, 2]
    assert frame["others"].tolist() == [20, 20]
    assert frame["carries"].tolist() == ["others", "others"]
    assert frame["p_value"].isna().all()


def test_pairs_of_any_prompt_and_those_that_are_agreed_on():
    query = Query(FACT.prompts[0], "Paris", (1, 2), (1,), (3,), (0,), ((0,),))
    first, second = (Neuron(0, 1), Neuron(1, 2)), (Neuron(0, 1), Neuron(3, 4))
    prompts = (PromptPairs(query, 0.9, first, (first, second)), PromptPairs(query, 0.8, first, (first,)))
    pair = DegeneratePair(first, (0.1, 0.2), 0.7, 1.0)
    found = DegeneratePairs(FACT, (pair,), prompts, 0.85, 3, 0, "")
    frame = ResultTable((found,), (PAIRS,)).to_frame()
    assert frame["prompts"].tolist() == [2, 1]
    assert frame["agreed"].tolist() == [True, False]
    assert frame["drop_first"].fillna(-1).tolist() == [0.1, -1]
    assert frame["drop_second"].fillna(-1).tolist() == [0.2, -1]
    assert frame["drop_together"].fillna(-1).tolist() == [0.7, -1]


def test_the_choices_are_those_of_the_search():
    columns = {column.name: column for column in DEGENERATE.columns}
    assert columns["storage"].choices == tuple(STORAGE)


@pytest.mark.parametrize(
    ("table", "result", "column", "old", "new"),
    [
        (DEGENERATE, found_of(), "grouping", ["components", "interchangeable", "none"],
         ["distinct", "arbitrary", "no-groups"]),
        (CARRIED, CarriedFacts(FACT, 20, (Carried((), (), 0.3, 0.1, 0.1, 0.2, 0.25, 0.1),), "others"), "carries",
         ["degenerate", "redundant", "undecided"], ["others", "nothing-else", "undecided"]),
    ],
)  # fmt: skip
def test_runs_of_older_versions_read(table, result, column, old, new):
    """What is called grouping and carries now was called verdict, with other words."""
    stored = table.to_arrow(table.rows([result] * 3))
    renamed = stored.set_column(table.names.index(column), "verdict", pa.array(old))
    read = table.from_arrow(renamed)
    assert read.schema == table.schema
    assert read[column].to_pylist() == new
    assert read.drop_columns([column]) == stored.drop_columns([column])


def test_what_was_found_is_saved_and_loaded(tmp_path):
    found = DegenerateNeuronTable.of([found_of(), found_of(drop_all=math.nan, reason="one-cluster")])
    again = DegenerateNeuronTable.load(found.save(tmp_path / "found.json"))
    assert again.to_json() == found.to_json()
    for table in ("degenerate", "components", "barcodes"):
        assert again.to_frame(table).equals(found.to_frame(table))
    one = DegenerateNeurons.load(found[0].save(tmp_path / "one.json"))
    assert one.to_json() == found[0].to_json()
    assert one.candidates[1] == one.components[0]
    assert type(one.neurons[0]) is Neuron
    query = Query(FACT.prompts[0], "Paris", (1, 2), (1,), (3,), (0,), ((0,),))
    two = (Neuron(0, 1), Neuron(1, 2))
    pairs = DegeneratePairTable.of(
        [
            DegeneratePairs(
                FACT,
                (DegeneratePair(two, (0.1, 0.2), 0.7, 1.0),),
                (PromptPairs(query, 0.9, two, (two,)),),
                0.9,
                2,
                0,
                "",
            )
        ]
    )
    assert DegeneratePairTable.load(pairs.save(tmp_path / "pairs.json")) == pairs
    with pytest.raises(BadSetting, match="its format is 'factneurons DegeneratePairTable 1', not"):
        DegenerateNeuronTable.load(tmp_path / "pairs.json")
