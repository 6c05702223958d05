"""The table of scored statements."""

import math

from factneurons.factcheck.tables import CHECKS
from factneurons.factcheck.types import Scored, Statement
from factneurons.facts.types import Prompt
from factneurons.models.types import Neuron


def test_a_statement_is_a_row_for_every_condition():
    statement = Statement(Prompt("The capital of France is ___."), "Paris", "capital", "en", "France", "capital/france")
    neurons = ((Neuron(1, 2), -0.6), (Neuron(0, 3), 0.4))
    scored = [
        Scored(statement, True, "test", True, "knowledge", 0.25, 0, neurons),
        Scored(statement, False, "train", False, "random", math.nan, 3),
    ]
    frame = CHECKS.frame(scored)
    assert frame[["fact_id", "language", "relation", "subject", "prompt", "candidate"]].iloc[0].tolist() == [
        *("capital/france", "en", "capital", "France", "The capital of France is ___.", "Paris"),
    ]
    assert frame["score"].isna().tolist() == [False, True]
    assert frame["draw"].tolist() == [0, 3]
    assert frame["speakers"][0].tolist() == [{"name": "0/3", "value": 0.4}, {"name": "1/2", "value": -0.6}]
    assert len(frame["speakers"][1]) == 0
