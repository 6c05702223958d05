"""Neurons from files of other tools: each format, what is refused, and the score they get."""

from __future__ import annotations

import json
from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from factneurons.attribution.given import GIVEN, GivenNeurons, given_batch
from factneurons.errors import BadFact, BadSetting
from factneurons.facts.source import load_facts
from factneurons.facts.types import Prompt
from factneurons.models.fingerprint import model_fingerprint
from factneurons.models.load import load_model
from factneurons.models.types import Neuron

A, B, C = Neuron(0, 3), Neuron(2, 7), Neuron(3, 500)


@pytest.fixture(scope="module")
def model():
    return load_model("pocket-gpt2")


@pytest.fixture(scope="module")
def facts():
    return list(load_facts("bundled?relation=capital&lang=en&limit=2&reverse=no"))


@pytest.fixture
def file(tmp_path):
    def write(name, value):
        path = tmp_path / name
        if isinstance(value, str):
            path.write_text(value, encoding="utf-8")
        elif name.endswith(".parquet"):
            pd.DataFrame(value).to_parquet(path)
        else:
            path.write_text(json.dumps(value), encoding="utf-8")
        return path

    return write


ROWS = [
    {"fact": "x", "layer": 2, "index": 7},
    {"fact": "x", "layer": 0, "index": 3},
    {"fact": "y", "layer": 3, "index": 500},
]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("a.json", ROWS),
        ("a.json", {"model": {"layers": 4, "width": 512}, "neurons": ROWS}),
        ("a.json", {"x": [[2, 7], [0, 3], [2, 7]], "y": [[3, 500]]}),
        ("a.csv", "fact,layer,index\nx,2,7\nx,0,3\nx,2,7\ny,3,500\n"),
        ("a.csv", "layer,neuron,fact_id,score\n2,7,x,0.1\n0,3,x,0.2\n3,500,y,0.3\n"),
        ("a.parquet", ROWS),
    ],
)
def test_every_format_says_the_same(file, name, value):
    found = GivenNeurons.read(file(name, value))
    assert found.by_name == {("x", ""): (B, A), ("y", ""): (C,)}


def test_a_list_without_names_is_of_the_facts_in_their_order(file, facts):
    found = GivenNeurons.read(file("kn_bag-P36.json", [[[2, 7], [0, 3]], []]))
    assert found.of_facts(facts) == {facts[0].key: (B, A)}
    with pytest.raises(BadFact, match="of 2 facts in their order, but there are 1 facts"):
        found.of_facts(facts[:1])


def test_a_language_is_kept_where_there_is_one(file, facts):
    rows = "fact,language,layer,index\n{0},en,2,7\n{0},zh,0,3\n".format(facts[0].id)
    found = GivenNeurons.read(file("a.csv", rows))
    assert found.of_facts(facts) == {facts[0].key: (B,)}


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("a.txt", "x", "ends with .json, .csv or .parquet"),
        ("a.json", "", "a.json"),
        ("a.json", "[]", "no neurons"),
        ("a.json", '{"x": []}', "no neurons"),
        ("a.csv", "", "no neurons"),
        ("a.csv", "fact,layer,index\n", "no neurons"),
        (
            "a.csv",
            "fact,layer,place\nx,1,2\n",
            "row 1: there is no column index or neuron; there are: fact, layer, place",
        ),
        ("a.csv", "fact,layer,index\nx,1,-2\n", "index must be a whole number from 0, not '-2'"),
        ("a.json", '{"x": [[1, 2, 3]]}', "[layer, index] is needed"),
        ("a.json", '{"x": [[1, 2.5]]}', "whole number"),
        ("a.json", '{"x": 4}', "a list of [layer, index] is needed"),
        ("a.json", "7", "a list or an object is needed"),
        ("a.json", '{"model": 3, "neurons": []}', "the field 'model' must be an object"),
        ("a.parquet", "no parquet", "no readable Parquet file"),
    ],
)
def test_what_is_no_file_of_neurons_is_refused_in_one_line(file, name, value, says):
    with pytest.raises(BadFact) as refused:
        GivenNeurons.read(file(name, value))
    assert says in str(refused.value)
    assert name in str(refused.value)
    assert "\n" not in str(refused.value)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda each: st.lists(each) | st.dictionaries(st.text(), each),
    )
)
def test_any_json_is_neurons_or_refused(tmp_path, value):
    path = tmp_path / "any.json"
    path.write_text(json.dumps(value), encoding="utf-8")
    try:
        found = GivenNeurons.read(path)
    except BadFact:
        return
    assert any(found.by_name.values()) or any(found.by_place)


def test_neurons_of_another_model_are_refused_with_the_sizes(model, file):
    with pytest.raises(BadSetting, match=r"another model.*layers are 0 to 3, indices 0 to 511"):
        GivenNeurons.read(file("a.json", {"x": [[11, 5]]})).check(model)
    other = {"model": {"layers": 12, "width": 512}, "neurons": ROWS}
    with pytest.raises(BadSetting, match=r"another model \(12 layers\); pocket-gpt2 has 4 layers of width 512"):
        GivenNeurons.read(file("a.json", other)).check(model)
    strange = {"model": {"files": {"model.safetensors": "0"}}, "neurons": ROWS}
    with pytest.raises(BadSetting, match=r"model.safetensors of pocket-gpt2 has another SHA-256"):
        GivenNeurons.read(file("a.json", strange)).check(model)
    own = {"model": {"layers": 4, "width": 512, "files": model_fingerprint(model.backbone)}, "neurons": ROWS}
    GivenNeurons.read(file("a.json", own)).check(model)
    GivenNeurons.read(file("a.json", ROWS)).check(model)


def test_no_fact_in_common_is_refused_with_an_example(file, facts):
    with pytest.raises(BadFact, match="none of its 2 facts is among the 2 that were read; for instance 'x'"):
        GivenNeurons.read(file("a.json", ROWS)).of_facts(facts)


def test_a_score_is_what_p_loses_without_the_neuron(model, facts):
    (first, second) = given_batch(model, facts, {facts[0].key: (A, B, C)})
    known = first.known
    assert (known.method, set(known.neurons), second.known.neurons) == (GIVEN, {A, B, C}, ())
    before = model.probabilities(known.queries).mean()
    for neuron, score in zip(known.neurons, known.scores, strict=True):
        with model.suppress([neuron]):
            assert score == pytest.approx(before - model.probabilities(known.queries).mean(), abs=1e-5)
    assert list(known.scores) == sorted(known.scores, reverse=True)
    assert len(first.written) == 3


def test_a_fact_that_cannot_be_asked_says_why(model, facts):
    (found,) = given_batch(model, [replace(facts[0], prompts=(Prompt("___ is a city."),))], {})
    assert found.known is None
    assert len(found.refusals) == 1
