"""A neuron's description against activations and knowledge neurons looked through by hand."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from factneurons.asking.describe import describe_neuron, weakness_of
from factneurons.attribution.locate import locate
from factneurons.errors import BadSetting
from factneurons.facts.source import load_facts
from factneurons.models.load import load_model
from factneurons.models.written import written


@pytest.fixture(scope="module")
def model():
    return load_model("pocket-gpt2")


@pytest.fixture(scope="module")
def known(model):
    return locate(model, load_facts("bundled?relation=capital&lang=en&limit=4&reverse=no"), method="dai")


@pytest.fixture(scope="module")
def described(model, known):
    return describe_neuron(model, known[0].neurons[0], known, prompts=3)


def test_it_is_most_active_where_its_value_is_farthest_from_0(model, known, described):
    neuron = known[0].neurons[0]
    queries = [query for each in known for query in each.queries]
    values = model.activations(queries)[:, neuron.layer, neuron.index]
    best = sorted(zip(values, queries, strict=True), key=lambda pair: -abs(pair[0]))[:3]
    assert [each.prompt for each in described.active] == [query.prompt.text for _, query in best]
    assert [each.value for each in described.active] == pytest.approx([value for value, _ in best], rel=1e-4)
    assert described.prompts == len(queries)


def test_it_serves_the_facts_that_have_it(known, described):
    neuron = known[0].neurons[0]
    having = {each.fact.id: each.neurons.index(neuron) + 1 for each in known if neuron in each.neurons}
    assert {each.fact_id: each.position for each in described.serves} == having
    assert described.relations == {"capital": len(having)}
    counts = Counter(each for found in known for each in found.neurons)
    assert described.rank == 1 + sum(count > counts[neuron] for count in counts.values())
    assert (described.facts, described.neurons) == (4, len(counts))


def test_what_it_writes_is_read_off_its_weights(model, described):
    assert [described.writes] == written(model, [described.neuron])


def test_facts_alone_are_read_and_nothing_is_served(model, known, described):
    alone = describe_neuron(model, described.neuron, [each.fact for each in known], prompts=3)
    assert alone.active == described.active
    assert (alone.serves, alone.rank) == ((), None)
    bare = describe_neuron(model, described.neuron)
    assert (bare.active, bare.prompts, bare.writes) == ((), 0, described.writes)


def test_it_is_json_and_a_page(described):
    written_down = json.loads(json.dumps(described.to_dict(), allow_nan=False))
    assert written_down["neuron"] == {"layer": described.neuron.layer, "index": described.neuron.index}
    assert written_down["relations"] == described.relations
    assert described._repr_html_().count("<table>") == len(list(described.parts())) == 3


def test_how_weak_the_reading_is_depends_on_layer_and_model(model, shared_model):
    assert "last layer" in weakness_of(model, 3)
    assert "the 3 layers above" in weakness_of(model, 0)
    assert "normalises after every addition" in weakness_of(shared_model("bert"), 2)
    assert "no direct path" in weakness_of(shared_model("t5"), 0)


def test_a_neuron_outside_the_model_is_refused_with_its_sizes(model):
    with pytest.raises(BadSetting, match=r"no neuron \(9, 0\): layers are 0 to 3, indices 0 to 511"):
        describe_neuron(model, (9, 0))
    with pytest.raises(BadSetting, match="prompts is 0"):
        describe_neuron(model, (0, 0), prompts=0)
