import numpy as np
import pytest

from factneurons.attribution.attribute import attribute_all
from factneurons.attribution.chosen import attribute_neurons
from factneurons.attribution.methods import METHODS, PathMethod
from factneurons.attribution.settings import AttributionSettings
from factneurons.errors import BadSetting
from factneurons.models.types import Neuron

PATHS = [name for name, method in METHODS.items() if isinstance(method.score, PathMethod)]


@pytest.mark.parametrize("method", PATHS)
@pytest.mark.parametrize("family", ["gpt2", "bert", "t5"])
def test_the_same_as_with_all_layers(family, method, new_model, new_query, family_row):
    """A fixed rule: to the last digits; every choice of layers, and neurons in any order."""
    model = new_model(family)
    kind = family_row[family].kind
    queries = [new_query(kind), new_query(kind, answer=2, seed=1)] if kind == "causal" else [new_query(kind)]
    settings = AttributionSettings(method, "radau", 3)
    full = attribute_all(model, queries, settings)
    for neurons in ([(0, 1)], [(2, 5), (0, 3), (2, 1)], [(1, 23)]):
        found = attribute_neurons(model, queries, [Neuron(*each) for each in neurons], settings)
        expected = [[each.scores[place] for place in neurons] for each in full]
        assert found.scores == pytest.approx(np.array(expected), rel=1e-4, abs=1e-7)
        assert found.completeness_ratio.shape == (len(queries),)


def test_the_adaptive_rule_is_as_complete(new_model, new_query):
    model = new_model("gpt2")
    found = attribute_neurons(model, [new_query("causal")], [Neuron(1, 2)])
    assert found.completeness_ratio[0] < 0.05


def test_no_neurons_no_scores(new_model, new_query):
    assert attribute_neurons(new_model("gpt2"), [new_query("causal")], []).scores.shape == (1, 0)


def test_methods_without_paths_are_refused(new_model, new_query):
    model, query = new_model("gpt2"), new_query("causal")
    for settings, wrong in (
        (AttributionSettings("activation"), "one that can score a few neurons alone"),
        (AttributionSettings("amig", normalise="global"), "normalise is .global.: it must be .none. for a few"),
    ):
        with pytest.raises(BadSetting, match=wrong):
            attribute_neurons(model, [query], [Neuron(0, 0)], settings)
    with pytest.raises(BadSetting, match="no neuron"):
        attribute_neurons(model, [query], [Neuron(99, 0)])
