"""Rows made from what attribution and degeneracy return fit their tables."""

import math

import numpy as np
import pytest

from factneurons.attribution.types import Attribution, KnowledgeNeurons
from factneurons.degeneracy.types import Bar, Component, DegenerateNeurons
from factneurons.facts.types import Fact, Prompt
from factneurons.models.types import Neuron, Query
from factneurons.runs.rows import degenerate_rows, located_rows
from factneurons.runs.store import Run


@pytest.fixture
def fact():
    prompts = (Prompt("The capital of France is ___."), Prompt("___ is the capital of France."))
    return Fact("capital/france", "capital", "France", "Paris", "en", prompts, date="2020", source="f.csv:2")


@pytest.fixture
def found(fact):
    query = Query(fact.prompts[0], "Paris", (1, 2), (1,), (3,), (0,), ((0,),))
    neurons = (Neuron(2, 7), Neuron(0, 1))
    return KnowledgeNeurons(fact, neurons, (0.3, 0.1), (1.0, 1.0), (query,), "amig", 0.2, False, 0.9, 1)


@pytest.fixture
def attribution(found):
    return Attribution(
        scores=np.zeros((3, 8), dtype=np.float32),
        method="amig",
        rule="gauss",
        probability=0.9,
        baseline_probability=np.array([0.1, 0.2, 0.3]),
        completeness_error=np.array([1e-6, 0.0, math.nan]),
        completeness_ratio=np.array([1e-5, math.inf, math.nan]),
        points=np.array([8, 8, 16]),
        query=found.queries[0],
    )


def test_located_rows_go_into_their_tables_and_come_back(tmp_path, small, fact, found, attribution):
    rows = located_rows(found, [attribution], answer_tokens=["Par", "is"], seconds=0.25)
    with Run.create_or_resume(tmp_path / "run", small.make_manifest(), small.STAGE) as run:
        run.commit(small.STAGE, [fact], rows)
    facts, neurons, completeness = (run.table(name) for name in ("facts", "neurons", "completeness"))
    row = facts.iloc[0]
    assert (row.fact_id, row.key, row.date, row.source) == ("capital/france", fact.key, "2020", "f.csv:2")
    assert (row.prompts_asked, len(row.prompts), list(row.answer_tokens)) == (1, 2, ["Par", "is"])
    assert (row["rank"], bool(row.known), row.neurons, row.probability) == (1, True, 2, 0.9)
    assert neurons[["layer", "index", "score", "position"]].to_numpy().tolist() == [[2, 7, 0.3, 1], [0, 1, 0.1, 2]]
    assert completeness.layer.tolist() == [0, 1, 2]
    assert completeness.points.tolist() == [8, 8, 16]
    assert completeness.ratio.isna().tolist() == [False, True, True]


def test_degenerate_rows_put_what_passes_first(tmp_path, small, fact):
    first = Component((Neuron(0, 1), Neuron(2, 3)), 0.1, 2.0, 0.02, 0.1, 0.5)
    second = Component((Neuron(1, 1), Neuron(1, 9)), 0.2, 4.0, 0.01, 0.2, math.nan)
    failing = Component((Neuron(0, 4),), 0.3, 0.4, 0.5, math.nan, math.nan)
    result = DegenerateNeurons(
        fact=fact,
        components=(first, second),
        candidates=(failing, first, second),
        barcode=(Bar(0.1, 2.0, first.neurons, True), Bar(0.3, 0.4, failing.neurons, False)),
        reason="",
        drop_all=0.9,
        degeneracy_index=0.979,
        p_value=0.01,
        coverage=0.8,
        storage="degenerate",
        grouping="distinct",
        details={"margin": 0.5},
    )
    manifest = small.make_manifest("degenerate", seed=1)
    with Run.create_or_resume(tmp_path / "run", manifest, "degenerate") as run:
        run.commit("degenerate", [fact], degenerate_rows(result, knowledge_neurons=5))
    components = run.table("components")
    assert components.role.tolist() == ["component", "component", "candidate"]
    assert components.component.tolist() == [1, 2, 3]
    assert components["size"].tolist() == [2, 2, 1]
    assert [list(layers) for layers in components.layers] == [[0, 2], [1], [0]]
    assert components.neurons[0].tolist() == [{"layer": 0, "index": 1}, {"layer": 2, "index": 3}]
    assert components.persistence.tolist() == pytest.approx([1.9, 3.8, 0.1])
    row = run.table("degenerate").iloc[0]
    assert (row.components, row.candidates, row.knowledge_neurons, row.grouping) == (2, 3, 5, "distinct")
    assert row.details.tolist() == [{"name": "margin", "value": 0.5}]
    assert run.table("barcodes").chosen.tolist() == [True, False]


def test_no_degenerate_neurons_is_a_row_with_its_reason(fact):
    nothing = DegenerateNeurons(fact, (), (), (), "too few neurons", *[math.nan] * 4, "none", "no-groups")
    rows = degenerate_rows(nothing, knowledge_neurons=1)
    assert rows["degenerate"][0]["reason"] == "too few neurons"
    assert rows["components"] == rows["barcodes"] == []
