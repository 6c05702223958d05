"""The tables of what was located, and of what changing neurons does."""

import math

import numpy as np
import pytest

from factneurons.attribution.locate import KnowledgeNeuronTable
from factneurons.attribution.tables import COMPLETENESS, INTERVENTIONS, KNOWLEDGE_NEURONS, LOCATED
from factneurons.attribution.types import Attribution, KnowledgeNeurons, Located, Measurement
from factneurons.facts.types import Fact, Prompt
from factneurons.models.types import Neuron, Query, Refusal
from factneurons.tables import rows_of

PROMPTS = (Prompt("The capital of France is ___."), Prompt("___ is the capital of France."))
FACT = Fact("capital/france", "capital", "France", "Paris", "en", PROMPTS, date="2020", source="f.csv:2")
QUERY = Query(PROMPTS[0], "Paris", (1, 2), (1,), (3,), (0,), ((0,),))
REFUSAL = Refusal(FACT, PROMPTS[1], "blank-not-last", "text follows the blank")
KNOWN = KnowledgeNeurons(
    FACT, (Neuron(2, 7), Neuron(0, 1)), (0.3, 0.1), (1.0, 0.5), (QUERY,), "amig", 0.2, False, 0.9, 1, (1, 2)
)
ATTRIBUTION = Attribution(
    scores=np.zeros((3, 8), dtype=np.float32),
    method="amig",
    rule="gauss",
    probability=0.9,
    baseline_probability=np.array([0.1, 0.2, 0.3]),
    completeness_error=np.array([1e-6, 0.0, math.nan]),
    completeness_ratio=np.array([1e-5, math.inf, math.nan]),
    points=np.array([8, 8, 16]),
    query=QUERY,
)


@pytest.fixture
def located():
    unasked = Located(FACT, None, (), (REFUSAL, REFUSAL), (), 0.25)
    return KnowledgeNeuronTable.of([Located(FACT, KNOWN, (ATTRIBUTION,), (REFUSAL,), ("Par", "is"), 0.25), unasked])


def test_a_fact_is_one_row_and_one_that_cannot_be_asked_is_none(located):
    (row,) = rows_of(LOCATED, located.located)["facts"]
    assert (row["fact_id"], row["key"], row["date"], row["source"]) == ("capital/france", FACT.key, "2020", "f.csv:2")
    assert (row["prompts_asked"], len(row["prompts"]), row["answer_tokens"]) == (1, 2, ("Par", "is"))
    assert (row["rank"], row["known"], row["neurons"], row["probability"]) == (1, True, 2, 0.9)
    assert len(located.to_frame("facts")) == len(located) == 1
    assert located.counts() == {"facts": 2, "asked facts": 1, "asked prompts": 1, "blank-not-last": 3}


def test_neurons_are_rows_in_their_order(located):
    frame = located.to_frame()
    assert list(frame.columns) == KNOWLEDGE_NEURONS.names
    assert frame[["layer", "index", "score", "share", "round", "position"]].to_numpy().tolist() == [
        [2, 7, 0.3, 1, 1, 1],
        [0, 1, 0.1, 0.5, 2, 2],
    ]


def test_completeness_is_a_row_for_every_layer(located):
    frame = located.to_frame("completeness")
    assert list(frame.columns) == COMPLETENESS.names
    assert frame["layer"].tolist() == [0, 1, 2]
    assert frame["points"].tolist() == [8, 8, 16]
    assert frame["ratio"].isna().tolist() == [False, True, True]


def test_interventions_say_what_was_asked():
    other = Fact("continent/peru", "continent", "Peru", "South America", "en", PROMPTS)
    measured = [Measurement(FACT, "knowledge", 0, "suppress", each, 2, 0.5, 0.25, 3) for each in (None, other)]
    frame = INTERVENTIONS.frame(measured)
    assert frame["prompts"].tolist() == ["related", "unrelated"]
    assert frame["other_fact_id"].fillna("").tolist() == ["", "continent/peru"]
    assert frame["probability_before"].tolist() == [0.5, 0.5]
    assert frame["probability_after"].tolist() == [0.25, 0.25]
