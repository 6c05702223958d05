"""E2, E3 and E14 on a few bundled facts: what is measured, against what the model itself says."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace

import numpy as np
import pytest
import torch

import factneurons as fn
from factneurons.errors import BadSetting, NotAskable
from factneurons.experiments.experiment import RANDOM_FOR
from factneurons.experiments.settings import ExperimentSettings
from factneurons.experiments.study import Study
from factneurons.experiments.suite import EXPERIMENTS, consistency, cross_lingual, layers
from factneurons.models.types import Neuron

FEW = ExperimentSettings(methods=("dai",), draws=2, unrelated=1)
TOP = 6


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def model():
    return fn.load_model("pocket-gpt2", device="cpu")


@pytest.fixture(scope="module")
def facts():
    """Two facts of two relations, in English and Chinese."""
    return [
        *fn.load_facts("bundled?relation=capital&limit=4"),
        *fn.load_facts("bundled?relation=animal_class&limit=4"),
    ]


class Sharing(Study):
    """A study in which the languages of every fact share two neurons, the second and third best."""

    def knowledge(self, fact, method):
        known = super().knowledge(fact, method)
        english = super().knowledge(self.languages(fact)["en"], method)
        neurons = (known.neurons[0], *english.neurons[1:3], *known.neurons[1:TOP])
        neurons = tuple(dict.fromkeys(neurons))
        return replace(known, neurons=neurons, scores=tuple(1.0 / (1 + place) for place in range(len(neurons))))


def measured_by(experiment, study, fact):
    """(condition, measure, place) -> value; no number comes twice."""
    rows = list(experiment.prepare(study)(fact))
    found = {(row.condition, row.measure, row.place): row.value for row in rows}
    assert len(found) == len(rows)
    assert {row.measure for row in rows} <= set(experiment.measures)
    assert all(np.isfinite(row.value) for row in rows)
    return found


@pytest.fixture(scope="module")
def cross_lingual_numbers(model, facts):
    study = Sharing(model, facts, FEW)
    return study, measured_by(EXPERIMENTS["E2"], study, facts[0])


@pytest.fixture(scope="module")
def consistency_numbers(model, facts):
    study = Study(model, facts, FEW)
    return study, measured_by(EXPERIMENTS["E14"], study, facts[0])


class TestCrossLingual:
    def test_the_numbers_are_the_models(self, cross_lingual_numbers, model, facts):
        study, values = cross_lingual_numbers
        known = {f.language: study.knowledge(f, "dai").neurons for f in study.languages(facts[0]).values()}
        shared = set(known["en"]) & set(known["zh"])
        assert shared
        _, tested = study.halves(facts[0])
        before = model.probabilities(tested).mean()
        for condition, place, neurons in [
            (cross_lingual.SHARED, "", shared),
            (cross_lingual.OWN, "", known["en"]),
            (cross_lingual.OTHER, "zh", known["zh"]),
            (cross_lingual.ALL, "", set(known["en"]) | set(known["zh"])),
        ]:
            after = np.mean([model.probabilities_with([query], [sorted(neurons)])[0][0] for query in tested])
            assert values[condition, "related, suppress", place] == pytest.approx(after / before - 1, abs=1e-4)
            assert values[condition, "neurons", place] == len(neurons)
        assert values[cross_lingual.CUT, "neurons", "zh"] == len(shared)

    def test_every_condition_has_its_random_one(self, cross_lingual_numbers):
        _, values = cross_lingual_numbers
        conditions = {condition for condition, measure, _ in values if measure == "specificity"}
        assert {f"{RANDOM_FOR}{name}" for name in conditions if not name.startswith(RANDOM_FOR)} <= conditions
        sides = {condition for condition, measure, _ in values if measure == "side effect"}
        assert sides == conditions

    def test_side_effects_are_mean_sizes(self, cross_lingual_numbers):
        _, values = cross_lingual_numbers
        both = [abs(values[cross_lingual.SHARED, f"unrelated, {action}", ""]) for action in ("suppress", "enhance")]
        assert values[cross_lingual.SHARED, "side effect", ""] == pytest.approx(np.mean(both))

    def test_facts_that_are_left_out(self, model, facts):
        work = EXPERIMENTS["E2"].prepare(Study(model, facts[:3], FEW))
        with pytest.raises(NotAskable, match="is not there in zh") as error:
            list(work(facts[2]))
        assert error.value.reason == "language-missing"
        strange = Study(model, facts[:2], FEW)
        strange.knowledge = lambda fact, method: replace(  # type: ignore[method-assign]
            fn.locate(model, [fact], method="activation")[0],
            neurons=(Neuron(0, "en zh".index(fact.language)),),
            scores=(1.0,),
        )
        with pytest.raises(NotAskable, match="share no knowledge neuron") as error:
            list(EXPERIMENTS["E2"].prepare(strange)(facts[0]))
        assert error.value.reason == "nothing-shared"

    def test_one_language(self, model, facts):
        with pytest.raises(BadSetting, match="these facts are in en only"):
            EXPERIMENTS["E2"].prepare(Study(model, facts[:1], FEW))


class TestLayers:
    def test_shares_add_up_and_say_how_deep(self, model, facts):
        study = Sharing(model, facts, FEW)
        values = measured_by(EXPERIMENTS["E3"], study, facts[0])
        shares = defaultdict(list)
        for (condition, measure, place), value in values.items():
            if measure == "share of layer":
                shares[condition].append((int(place), value))
        assert {layers.KNOWLEDGE, layers.SHARED, f"{RANDOM_FOR}{layers.SHARED}"} <= set(shares)
        last = model.layer_count - 1
        for condition, own in shares.items():
            assert sum(share for _, share in own) == pytest.approx(1)
            depth = sum(layer * share for layer, share in own) / last
            assert values[condition, "depth", ""] == pytest.approx(depth)
            assert values[condition, "last two layers", ""] == pytest.approx(sum(s for la, s in own if la >= last - 1))
        counts = Counter(neuron.layer for neuron in study.knowledge(facts[0], "dai").neurons)
        assert dict(shares[layers.KNOWLEDGE]) == {la: counts[la] / counts.total() for la in range(model.layer_count)}

    def test_chance_is_that_of_random_sets(self, model, facts):
        study = Sharing(model, facts, FEW)
        values = measured_by(EXPERIMENTS["E3"], study, facts[0])
        known = [study.knowledge(fact, "dai") for fact in facts[:2]]
        (found,) = fn.language_independent(known, width=model.width)
        assert values[f"{RANDOM_FOR}{layers.SHARED}", "neurons", ""] == pytest.approx(found.expected)

    def test_a_fact_in_one_language_has_nothing_shared(self, model, facts):
        values = measured_by(EXPERIMENTS["E3"], Study(model, facts[:1], FEW), facts[0])
        assert layers.SHARED not in {condition for condition, _, _ in values}


class TestConsistency:
    def test_agreement_is_that_of_the_prompts(self, consistency_numbers, model, facts):
        study, values = consistency_numbers
        located, _ = study.halves(facts[0])
        half = replace(facts[0], prompts=tuple(query.prompt for query in located))
        for method in ("dai", consistency.RANDOM):
            (each,) = fn.consistency(model, [half], method=method)
            assert values[method, "CS", ""] == pytest.approx(each.scores.relaxed)
            assert values[method, "inconsistent", ""] == float(not each.consistent)
            assert values[method, "0.3 - CS", ""] == pytest.approx(0.3 - each.scores.relaxed)

    def test_a_prompt_under_its_own_and_its_neighbours_neurons(self, consistency_numbers, model, facts):
        study, values = consistency_numbers
        located, _ = study.halves(facts[0])
        half = replace(facts[0], prompts=tuple(query.prompt for query in located))
        (each,) = fn.consistency(model, [half], method="dai")
        changes = defaultdict(list)
        for number, query in enumerate(located):
            before = model.probabilities([query])[0]
            for condition, shift in ((consistency.OWN, 0), (consistency.NEIGHBOUR, 1)):
                neurons = sorted(each.neurons[(number + shift) % len(located)])
                changes[condition].append(model.probabilities_with([query], [neurons])[0][0] / before - 1)
        for condition, own in changes.items():
            assert values[condition, "related, suppress", ""] == pytest.approx(np.mean(own), abs=1e-4)

    def test_every_way_to_select_is_tried(self, consistency_numbers):
        _, values = consistency_numbers
        sizes = {name: values[name, "neurons", ""] for name in consistency.SELECTIONS.values()}
        assert sizes["refined"] <= sizes["union"]
        for name in [*sizes, consistency.OWN, consistency.NEIGHBOUR]:
            if sizes.get(name, 1):
                assert (f"{RANDOM_FOR}{name}", "related, suppress", "") in values

    def test_two_prompts_are_too_few(self, model, facts):
        few = replace(facts[0], prompts=facts[0].prompts[:2])
        with pytest.raises(NotAskable, match="at least three prompts") as error:
            list(EXPERIMENTS["E14"].prepare(Study(model, [few], FEW))(few))
        assert error.value.reason == "too-few-prompts"


@pytest.mark.parametrize("name", ["E2", "E3", "E14"])
def test_claims_and_charts_are_about_what_is_measured(name):
    experiment = EXPERIMENTS[name]
    measures = set(experiment.measures)
    assert {claim.measure for claim in experiment.claims} <= measures
    assert {measure for chart in experiment.charts for measure in chart.measures} <= measures
    assert {measure for summary in experiment.summaries for measure in summary.measures} <= measures
