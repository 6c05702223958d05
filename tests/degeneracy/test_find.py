"""From knowledge neurons to a verdict, on models whose P(answer) is a formula with a known structure."""

from __future__ import annotations

from dataclasses import asdict, replace
from itertools import chain

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from factneurons.degeneracy.distances import neuron_distances
from factneurons.degeneracy.find import degenerate_neurons, degenerate_search, find_degenerate
from factneurons.degeneracy.settings import ComparisonSettings, DegeneracySettings
from factneurons.degeneracy.types import DETAILS, REASONS
from factneurons.errors import BadNumber, BadSetting
from factneurons.models.questions import answered
from factneurons.models.types import Neuron

DEFAULT = DegeneracySettings(clusterer="ntc")


def whole(groups, suppressed):
    return [not set(group) & suppressed for group in groups]


@pytest.fixture
def case(formula_model, known_neurons, blocks):
    """A fact over groups of neurons (and spare ones without a role) and the formula of its probability."""

    def make(formula, *sizes, spare=0, prompts=2, order=None):
        *groups, rest = blocks(*sizes, spare)
        neurons = [neuron for group in [*groups, rest] for neuron in group]
        if order is not None:
            neurons = [neurons[place] for place in order]
        model = formula_model(groups, lambda text, suppressed: formula(groups, suppressed, text))
        return model, known_neurons(neurons, prompts=prompts), groups

    return make


def degenerate(groups, suppressed, _text):
    return 0.9 if any(whole(groups, suppressed)) else 0.02


def conjunctive(groups, suppressed, _text):
    return 0.9 if all(whole(groups, suppressed)) else 0.02


def interchangeable(groups, suppressed, _text):
    """Half of the neurons suffice, whichever they are."""
    count = sum(map(len, groups))
    return 0.02 + 0.88 * min(1.0, (count - len(suppressed)) / (count / 2))


def two_of_them(groups, suppressed, _text):
    return 0.9 if sum(whole(groups, suppressed)) >= 2 else 0.02


def test_a_clusterer_may_be_an_object_and_goes_through_the_same_door(case):
    model, known, groups = case(degenerate, 6, 6)

    class Knows:
        def fit_predict(self, X):
            return np.array([neuron in groups[0] for neuron in sorted(known.neurons)])

    (found,) = find_degenerate(model, known, clusterer=Knows())
    assert [list(component.neurons) for component in found.components] == [sorted(g) for g in groups]
    assert found.drop_all == pytest.approx(1 - 0.02 / 0.9)
    with pytest.raises(BadSetting, match="clusterer is 3"):
        find_degenerate(model, known, clusterer=3)
    with pytest.raises(BadSetting, match="settings are given"):
        find_degenerate(model, known, DEFAULT, clusterer=Knows(), seed=1)


def test_degenerate_structure(case):
    model, known, groups = case(degenerate, 6, 6, spare=2)
    (found,) = find_degenerate(model, known, settings=DEFAULT)
    assert found.grouping == "distinct"
    assert found.reason == ""
    assert [list(component.neurons) for component in found.components] == [sorted(g) for g in groups]
    assert found.degeneracy_index == 1
    assert found.drop_all == pytest.approx(1 - 0.02 / 0.9)
    assert found.details["halving"] == found.details["halving_least"] == pytest.approx(1)
    assert found.coverage == 12 / 14
    for component in found.components:
        assert component.drop_alone == component.drop_without_others == 0
        assert component.layers == (0, 1)
        assert component.mean_distance == pytest.approx(1 / 4.01)
    assert set(found.details) == set(DETAILS) - {"share_of_each"}, "no component is needed"
    assert found.details["probability"] == 0.9
    assert found.details["drop_knowledge_neurons"] == found.drop_all
    assert found.neurons == tuple(sorted(neuron for group in groups for neuron in group))


def test_three_components(case):
    model, known, groups = case(degenerate, 2, 3, 4, spare=3)
    (found,) = find_degenerate(model, known, settings=DEFAULT)
    assert {component.neurons for component in found.components} == {tuple(sorted(g)) for g in groups}
    assert found.grouping == "distinct"


def test_conjunctive_structure(case):
    model, known, _ = case(conjunctive, 4, 4, spare=4)
    (found,) = find_degenerate(model, known, settings=DEFAULT)
    assert (found.grouping, found.reason) == ("no-groups", "fewer-than-two-dispensable")
    assert len(found.candidates) == 2
    assert all(candidate.drop_alone > 0.9 for candidate in found.candidates)
    assert found.details["degeneracy_index_candidates"] == 0
    assert found.components == ()
    assert np.isnan(found.degeneracy_index)


def test_interchangeable_structure(case):
    model, known, _ = case(interchangeable, 4, 4)
    (found,) = find_degenerate(model, known, settings=DEFAULT)
    assert (found.grouping, found.storage) == ("arbitrary", "interchangeable")
    assert found.details["halving"] == pytest.approx(0)
    assert len(found.components) == 2


def test_two_of_three_needed_is_not_degenerate_as_a_whole(case):
    """No component suffices alone, so one is left out; the other two are then backed by it."""
    model, known, _ = case(two_of_them, 3, 3, 3, spare=3)
    (found,) = find_degenerate(model, known, settings=DEFAULT)
    assert len(found.components) == 2
    left_out = {c.neurons for c in found.candidates} - {c.neurons for c in found.components}
    assert len(left_out) == 1
    assert all(candidate.drop_without_others > 0.9 for candidate in found.candidates)
    assert all(component.drop_without_others == 0 for component in found.components)


@pytest.mark.parametrize(
    ("formula", "reason"),
    [
        (lambda groups, suppressed, text: 0.9, "not-jointly-needed"),
        (lambda groups, suppressed, text: 0.0, "zero-probability"),
    ],
)
def test_reasons_from_the_model(case, formula, reason):
    model, known, _ = case(formula, 4, 4)
    (found,) = find_degenerate(model, known, settings=DEFAULT)
    assert (found.grouping, found.reason) == ("no-groups", reason)
    assert len(found.candidates) == 2
    assert len(found.barcode) == 3
    assert reason in REASONS


@pytest.mark.parametrize("clusterer", ["ntc", "interaction", "kmeans"])
def test_the_strongest_connections_join_the_neurons_whatever_groups_them(case, clusterer):
    """Merging by them, one after the other, gives the births of all clusters."""
    model, known, _ = case(degenerate, 4, 4)
    (found,) = find_degenerate(model, known, settings=replace(DEFAULT, clusterer=clusterer))
    distances = neuron_distances(model, tuple(sorted(known.neurons)), DEFAULT)
    place = {neuron: k for k, neuron in enumerate(sorted(known.neurons))}
    own = []
    for connection in found.connections:
        low, high = connection.neurons
        assert low.layer < high.layer
        assert 1 / connection.weight == pytest.approx(distances[place[low], place[high]])
        own.append(1 / connection.weight)
    assert set(np.round(own, 9)) == {round(bar.birth, 9) for bar in found.barcode}
    reached = {place[found.connections[0].neurons[0]]}
    for _ in place:
        reached |= {place[n] for c in found.connections if reached & {place[n] for n in c.neurons} for n in c.neurons}
    assert len(reached) == len(found.connections) + 1 or not np.isfinite(distances).all()
    frame = find_degenerate(model, known, settings=DEFAULT).to_frame("connections")
    assert len(frame) == len(found.connections)


def test_reasons_from_the_neurons(case):
    def reason(*sizes, keep=None, **changes):
        model, known, _ = case(degenerate, *sizes)
        if keep is not None:
            kept = tuple(n for n in known.neurons if keep(n))
            known = replace(known, neurons=kept, scores=(1.0,) * len(kept))
        (found,) = find_degenerate(model, known, settings=replace(DEFAULT, **changes))
        assert found.grouping == "no-groups"
        assert found.coverage == 0
        assert known.neurons or model.calls == [], "the model is not asked in vain"
        return found.reason

    assert reason(1) == "too-few-neurons"
    assert reason(0) == "too-few-neurons"
    assert reason(3) == "too-few-neurons"
    assert reason(4, 4, min_size=5) == "too-few-neurons"
    assert reason(6) == "one-cluster"
    assert reason(4, 4, keep=lambda neuron: neuron.layer == 0) == "no-finite-distance"
    assert reason(4, 4, tau1=1e9, tau1_rule="absolute") == "below-tau1"
    assert reason(4, 4, clusterer="ntc_authors") == "one-cluster"


def test_probabilities_are_the_mean_over_the_prompts(case):
    def formula(groups, suppressed, text):
        return degenerate(groups, suppressed, text) * (1.0 if text.startswith("Prompt 0") else 0.5)

    model, known, _ = case(formula, 6, 6, prompts=3)  # the second is held out
    (found,) = find_degenerate(model, known, settings=DEFAULT)
    assert found.details["probability"] == pytest.approx(0.675)
    assert found.grouping == "distinct"


def test_the_order_of_neurons_and_facts_does_not_matter(case, known_neurons):
    model, known, _ = case(degenerate, 4, 4, spare=4)
    (plain,) = find_degenerate(model, known, settings=DEFAULT)
    order = np.random.default_rng(1).permutation(12)
    mixed_model, mixed, _ = case(degenerate, 4, 4, spare=4, order=order)
    (other,) = find_degenerate(mixed_model, mixed, settings=DEFAULT)
    assert other == plain
    second = known_neurons(known.neurons, id="capital/quux")
    forward = list(find_degenerate(model, [known, second], settings=DEFAULT))
    backward = list(find_degenerate(model, [second, known], settings=DEFAULT))
    assert forward == backward[::-1]
    assert forward[0].components == plain.components
    assert (plain.details["carry_others"], forward[0].details["carry_others"]) == (0, 1), "they share all neurons"


class Saturating:
    """Random gated weights over four layers; P(answer) saturates in the sum of what is left active."""

    def __init__(self, seed, count=10):
        rng = np.random.default_rng(seed)
        self.neurons = [Neuron(int(layer), place) for place, layer in enumerate(rng.integers(0, 4, count))]
        self.out, self.read = rng.normal(size=(count, 6)), rng.normal(size=(count, 2, 6))
        self.gains = rng.exponential(size=(4, 6))
        self.pull = rng.exponential(size=count)
        self.layer_count, self.width, self.widths = 4, count, (count,) * 4

    def out_weights(self, asked):
        return self.out[[n.index for n in asked]]

    def in_weights(self, asked):
        return self.read[[n.index for n in asked]]

    @property
    def backbone(self):
        return self

    def in_encoder(self, layer):
        return False

    def norm_gain(self, layer):
        return self.gains[layer]

    def probabilities_with(self, queries, sets, factor=0.0):
        left = [self.pull.sum() - sum(self.pull[n.index] for n in s) for s in sets]
        return np.tile(1 / (1 + np.exp(0.4 * self.pull.sum() - np.array(left))), (len(queries), 1))

    def answer(self, searches):
        return [
            answered(search, lambda asked: self.probabilities_with(asked.queries, asked.neuron_sets))
            for search in searches
        ]


CHANGES = [
    {"clusterer": "ntc_authors"}, {"similarity": "cosine"}, {"scale": "layer-gap"},
    {"span": "adjacent"}, {"span": "adjacent", "max_span": 1}, {"gate": "up"}, {"connection": "authors"},
    {"fold_norm_gain": True}, {"persistence": "log"}, {"r_max": 0.5}, {"min_size": 3}, {"tau1": 0.5},
    {"tau1_rule": "absolute"}, {"cover": "all"}, {"filter": "authors"}, {"t_low": 0.02},
    {"t_sufficient": 0.0}, {"t_high": 0.9}, {"clusterer": "random", "seed": 1},
    {"clusterer": "hierarchical", "comparison": ComparisonSettings(cut=0.2)},
    {"clusterer": "dbscan", "comparison": ComparisonSettings(radius=0.2)},
    {"clusterer": "dbscan", "comparison": ComparisonSettings(neighbours=0.4)},
    {"clusterer": "kmeans", "comparison": ComparisonSettings(parts=0.4)},
    {"clusterer": "kmeans", "comparison": ComparisonSettings(variance=0.3)},
    {"clusterer": "kmeans", "comparison": ComparisonSettings(missing=0.01)},
]  # fmt: skip


def test_changes_name_every_setting():
    assert {name for change in CHANGES for name in change} == set(DegeneracySettings.__slots__) - {"halving"}
    usual = asdict(ComparisonSettings())
    changed = [asdict(change["comparison"]) for change in CHANGES if "comparison" in change]
    assert {name for each in changed for name in each if each[name] != usual[name]} == set(usual)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: "-".join(map(str, chain(*change.items()))))
def test_every_setting_has_an_effect(change, known_neurons):
    usual = replace(DEFAULT, t_low=0.3, t_sufficient=0.5, t_high=0.3)
    if "max_span" in change:
        usual = replace(usual, span="adjacent")
    if "clusterer" in change and len(change) > 1:
        usual = replace(usual, clusterer=change["clusterer"])

    def differs(seed):
        model = Saturating(seed)
        known = known_neurons(model.neurons)
        found, other = (degenerate_neurons(model, known, each) for each in (usual, replace(usual, **change)))
        return repr(found) != repr(other)

    assert any(differs(seed) for seed in range(60))


@given(st.integers(0, 10_000))
@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_structures_keep_the_promises(known_neurons, seed):
    """Whatever the probabilities: components are disjoint candidates that pass what they claim to pass."""
    model = Saturating(seed)
    known = known_neurons(model.neurons)
    settings = replace(DEFAULT, t_low=0.3, t_sufficient=0.5, t_high=0.3)
    found = degenerate_neurons(model, known, settings)
    held = [neuron for component in found.components for neuron in component.neurons]
    assert len(held) == len(set(held))
    assert {c.neurons for c in found.components} <= {c.neurons for c in found.candidates}
    assert {c.neurons for c in found.candidates} == {b.neurons for b in found.barcode if b.chosen}
    if found.grouping == "no-groups":
        assert found.reason in REASONS
        assert found.components == ()
        return
    assert len(found.components) >= 2
    assert all(component.drop_alone < 0.3 for component in found.components)
    assert all(component.drop_without_others <= 0.5 for component in found.components)
    assert found.drop_all >= 0.3
    assert 0 <= found.degeneracy_index <= 1
    assert ("halving" in found.details) == (found.grouping != "undecided")
    assert found.coverage == len(held) / 10


def test_adjacent_span_needs_neighbouring_layers(case):
    """Neurons of layers 0 and 1 moved to layers 0 and 2: residual connects them, adjacent does not."""
    model, known, groups = case(degenerate, 6, 6)

    def apart(neuron):
        return Neuron(2 * neuron.layer, neuron.index)

    model.groups = [[apart(neuron) for neuron in group] for group in groups]
    model.formula = lambda text, suppressed: degenerate(model.groups, suppressed, text)
    known = replace(known, neurons=tuple(map(apart, known.neurons)))
    (residual,) = find_degenerate(model, known, settings=DEFAULT)
    (adjacent,) = find_degenerate(model, known, settings=replace(DEFAULT, span="adjacent"))
    assert residual.grouping == "distinct"
    assert adjacent.reason == "no-finite-distance"


def test_cover_all_takes_in_every_neuron(case):
    model, known, _ = case(degenerate, 4, 4, spare=4)
    (found,) = find_degenerate(model, known, settings=replace(DEFAULT, cover="all"))
    assert found.details["coverage_candidates"] == 1
    assert sorted(n for c in found.candidates for n in c.neurons) == sorted(known.neurons)


def test_groups_are_found_with_every_other_prompt_and_tested_with_the_others(case):
    """At the held-out prompts the neurons are interchangeable, which the search cannot see."""
    seen = {}

    def formula(groups, suppressed, text):
        first = seen.setdefault(text, len(seen)) == 0
        return degenerate(groups, suppressed, text) if first else interchangeable(groups, suppressed, text)

    model, known, groups = case(formula, 4, 4, prompts=2)
    seen[known.queries[0].prompt.text] = 0
    (found,) = find_degenerate(model, known, settings=DEFAULT)
    assert [list(component.neurons) for component in found.components] == [sorted(g) for g in groups]
    assert (found.grouping, found.details["halving_prompts"]) == ("arbitrary", 1)


@pytest.mark.parametrize(("halving", "grouping"), [(0.3, "distinct"), (0.6, "arbitrary")])
def test_the_mean_over_held_out_prompts_decides(case, halving, grouping):
    """Of two held-out prompts, one is as the prompts that the groups were found with, and one loses nothing."""

    def formula(groups, suppressed, text):
        return 0.9 if text.startswith("Prompt 3") else degenerate(groups, suppressed, text)

    model, known, _ = case(formula, 4, 4, prompts=4)
    (found,) = find_degenerate(model, known, settings=replace(DEFAULT, halving=halving))
    assert (found.details["halving"], found.details["halving_least"]) == pytest.approx((0.5, 0))
    assert found.grouping == grouping


def test_a_fact_with_one_prompt_is_undecided(case):
    model, known, _ = case(degenerate, 6, 6, prompts=1)
    (found,) = find_degenerate(model, known, settings=DEFAULT)
    assert (len(found.components), found.grouping, found.storage) == (2, "undecided", "undecided")
    assert found.reason == "one-prompt"


def test_seed_takes_the_place_of_the_settings_seed(case):
    model, known, _ = case(degenerate, 4, 4, spare=4)
    by_name = find_degenerate(model, known, seed=7)
    in_settings = find_degenerate(model, known, DegeneracySettings(seed=7))
    assert by_name.to_frame("barcodes").equals(in_settings.to_frame("barcodes"))
    assert by_name["capital/foo"].details == pytest.approx(in_settings["capital/foo"].details)


def test_sets_are_asked_in_batches(case):
    model, known, _ = case(degenerate, 4, 4, spare=4)
    find_degenerate(model, known, settings=DEFAULT)
    assert len(model.calls) <= 4
    assert max(model.calls) <= 512


def test_a_probability_that_is_not_a_number_names_the_fact(case):
    model, known, _ = case(lambda groups, suppressed, text: float("nan"), 4, 4)
    with pytest.raises(BadNumber, match=r"capital/foo.*Prompt 0"):
        find_degenerate(model, known, settings=DEFAULT)


@pytest.mark.parametrize("clusterer", ["interaction", "random"])
@pytest.mark.parametrize("family", ["gpt2", "bert"])
def test_facts_searched_side_by_side_are_found_as_each_is_alone(
    family, clusterer, shared_model, new_query, known_neurons
):
    model, facts = shared_model(family), []
    for number in range(4):
        neurons = [Neuron(layer, (5 * number + step) % 24) for layer in range(2) for step in range(2 + number)]
        queries = tuple(new_query(model.kind, tokens=4 + number, seed=10 * number + each) for each in range(3))
        facts.append(replace(known_neurons(neurons, id=f"capital/{number}"), queries=queries))
    settings = replace(DEFAULT, t_low=0.9, t_sufficient=0.9, t_high=0.001, clusterer=clusterer)
    together = model.answer(degenerate_search(model, each, settings) for each in facts)
    for each, found in zip(facts, together, strict=True):
        alone = degenerate_neurons(model, each, settings)
        assert (found.storage, found.reason, found.grouping) == (alone.storage, alone.reason, alone.grouping)
        assert found.details == pytest.approx(alone.details, abs=1e-9, nan_ok=True)
        assert [part.neurons for part in found.candidates] == [part.neurons for part in alone.candidates]
        losses, own = (
            [(part.drop_alone, part.drop_without_others) for part in one.candidates] for one in (found, alone)
        )
        np.testing.assert_allclose(losses, own, atol=1e-9)
    assert clusterer == "interaction" or any(len(found.candidates) == 2 for found in together)
