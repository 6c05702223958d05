"""Many facts at once are what each is alone, and nothing that could not be asked is lost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from factneurons.asking.describe import describe_neuron
from factneurons.attribution.attribute import attribute_all
from factneurons.attribution.locate import KnowledgeNeuronTable, locate, locate_batch
from factneurons.attribution.methods import METHODS, threshold_for
from factneurons.attribution.selection import SelectionSettings
from factneurons.attribution.settings import AttributionSettings
from factneurons.attribution.types import KnowledgeNeurons
from factneurons.degeneracy.find import find_degenerate
from factneurons.errors import BadSetting
from factneurons.facts.source import load_facts
from factneurons.facts.types import Prompt
from factneurons.models.load import load_model
from factneurons.models.query import placed
from factneurons.models.types import Neuron
from factneurons.stages.export import export_neurons

SETTINGS, SELECTION = AttributionSettings("dai"), SelectionSettings()


@pytest.fixture(scope="module")
def model():
    return load_model("pocket-gpt2")


@pytest.fixture(scope="module")
def facts():
    return list(load_facts("bundled?relation=capital&lang=en&limit=3&reverse=no"))


@pytest.fixture(scope="module")
def located(model, facts):
    return locate_batch(model, facts, SETTINGS, SELECTION)


def test_facts_that_share_passes_are_what_they_are_alone(model, facts, located):
    for fact, together in zip(facts, located, strict=True):
        (alone,) = locate_batch(model, [fact], SETTINGS, SELECTION)
        assert together.fact is fact
        assert together.known.neurons == alone.known.neurons
        assert together.known.rank == alone.known.rank
        np.testing.assert_allclose(together.known.scores, alone.known.scores, rtol=1e-4)
        assert [each.prompt for each in together.refusals] == [each.prompt for each in alone.refusals]


def test_random_neurons_are_dealt_once_for_all_prompts_of_a_fact(model, facts, located):
    """They pass the prompts' agreement as often as dai's do, and are others."""
    random = locate_batch(model, facts, AttributionSettings("random"), SELECTION)
    for control, found in zip(random, located, strict=True):
        assert len(control.known.queries) > 1
        layers = [sorted(neuron.layer for neuron in each.known.neurons) for each in (control, found)]
        assert layers[0] == layers[1] != []
        assert not set(control.known.neurons) & set(found.known.neurons)
    everywhere = [set(each.known.neurons) for each in random]
    assert not everywhere[0] & everywhere[1]


def test_random_scores_depend_on_the_fact_and_not_on_what_is_located_beside_it(model, facts):
    settings = AttributionSettings("random")
    alone, together = locate(model, facts[:1], settings), locate(model, facts, settings)
    assert alone[0].neurons == together[0].neurons
    namesake = replace(facts[0], subject="another subject")
    assert locate(model, [namesake], settings)[0].neurons != alone[0].neurons


def test_one_prompts_neurons_are_those_that_reach_the_threshold(model, facts):
    fact = replace(facts[0], prompts=(Prompt("The capital of Afghanistan is ___"),))
    (found,) = locate(model, [fact], SETTINGS, replace(SELECTION, threshold=0.3))
    (scores,) = (each.scores for each in attribute_all(model, found.queries, SETTINGS))
    expected = {Neuron(int(layer), int(index)) for layer, index in np.argwhere(scores >= 0.3 * scores.max())}
    assert set(found.neurons) == expected
    assert list(found.scores) == sorted(found.scores, reverse=True)
    assert (found.refined, found.threshold, found.shares) == (False, 0.3, (1.0,) * len(expected))


def test_probability_and_rank_are_those_of_the_prompts(model, located):
    for each in located:
        asked = model.evaluate(each.known.queries)
        assert each.known.probability == pytest.approx(model.probabilities(each.known.queries).mean(), rel=1e-4)
        assert each.known.rank == min(one.rank for one in asked)
        assert [one.query for one in each.completeness] == list(each.known.queries)


def test_every_prompt_is_asked_or_refused(model, facts, located):
    for fact, each in zip(facts, located, strict=True):
        asked = [query.prompt for query in each.known.queries]
        refused = [refusal.prompt for refusal in each.refusals]
        assert sorted(asked + refused, key=fact.prompts.index) == list(fact.prompts)
        assert refused == [prompt for prompt in fact.prompts if prompt.blank_position != "end"]
    counts = KnowledgeNeuronTable.of(located).counts()
    assert counts.pop("facts") == counts.pop("asked facts") == len(facts)
    assert sum(counts.values()) == sum(len(fact.prompts) for fact in facts)


def test_a_fact_that_cannot_be_asked_is_there_without_neurons(model, facts):
    never = replace(facts[0], id="never", prompts=(Prompt("___ is its capital."),))
    table = locate(model, [never, facts[1]], SETTINGS)
    assert [each.fact.id for each in table.located] == ["never", facts[1].id]
    assert [known.fact.id for known in table] == [facts[1].id]
    assert table.located[0].known is None
    assert table.located[0].completeness == table.located[0].answer_tokens == ()
    assert table.counts()["facts"] == 2
    assert table.counts()["asked facts"] == 1


def test_what_negative_prompts_find_as_well_is_left_out(model, facts):
    def itself(fact):
        return [(prompt, fact.answer) for prompt in fact.prompts if prompt.blank_position == "end"]

    (known,) = locate(model, facts[:1], SETTINGS, negatives=itself)
    assert known.neurons == ()


def test_no_facts_are_no_neurons(model):
    assert len(locate(model, [], SETTINGS)) == 0


@pytest.mark.parametrize("method", METHODS)
def test_the_threshold_is_the_selections_or_the_methods_for_the_language(method, facts):
    settings, defaults = AttributionSettings(method), METHODS[method].threshold
    for language in ("en", "zh", "de"):
        fact = replace(facts[0], language=language)
        assert threshold_for(fact, settings, SELECTION) == defaults.get(language, defaults[""])
        assert threshold_for(fact, settings, replace(SELECTION, threshold=0.7)) == 0.7


def test_a_contrast_is_asked_of_the_facts_that_have_one(model, facts):
    """Against a text every fact can be set; against its own wrong answers only one that has some."""
    own = [replace(facts[0], wrong_answers=("Rome",)), replace(facts[1], wrong_answers=())]
    first, second = locate_batch(model, own, replace(SETTINGS, against="wrong_answers"), SELECTION)
    (fixed,) = locate_batch(model, own[:1], replace(SETTINGS, against="Rome"), SELECTION)
    assert first.known.neurons == fixed.known.neurons
    np.testing.assert_allclose(first.known.scores, fixed.known.scores, rtol=1e-6)
    assert {each.against.answer for each in fixed.known.queries} == {"Rome"}
    assert second.known is None
    assert "no-wrong-answer" in {each.reason for each in second.refusals}


def test_negative_prompts_are_set_against_the_same_text(model, facts):
    negatives = lambda fact: [(fact.prompts[0], "London")]  # noqa: E731
    with pytest.raises(BadSetting, match=r"^against is 'wrong_answers': it must be a text where there are negative"):
        locate(model, facts[:1], against="wrong_answers", negatives=negatives)
    (found,) = locate_batch(model, facts[:1], replace(SETTINGS, against="Rome"), SELECTION, negatives=negatives)
    (plain,) = locate_batch(model, facts[:1], replace(SETTINGS, against="Rome"), SELECTION)
    assert set(found.known.neurons) < set(plain.known.neurons)


@pytest.mark.parametrize("positions", ["subject_last", "all"])
def test_what_is_found_at_positions_is_suppressed_there(positions, model, facts):
    """Found with the first round suppressed, asked again by others: the same queries, at the same positions."""
    settings = AttributionSettings("joint", positions=positions, rule="radau", points=3, tolerance=1.0)
    (found,) = locate(model, facts[:1], settings, SelectionSettings(rounds=2))
    assert {query.positions for query in found.queries} == {positions}
    first = [neuron for neuron, number in zip(found.neurons, found.round_of_each, strict=True) if number == 1]
    before, after = model.probabilities_with(found.queries, [(), first]).mean(0)
    at_target = model.probabilities_with([placed(each, "target") for each in found.queries], [first]).mean()
    assert after < before
    assert at_target != pytest.approx(after, rel=0.01)
    with model.suppress(first):
        (again, *_) = attribute_all(model, found.queries[:1], settings)
    assert all(again.scores[neuron] == 0 for neuron in first)


def test_a_prompt_without_its_subject_is_left_out_at_the_subject(model, facts):
    text = "The city at the heart of that country is ___"
    fact = replace(facts[0], prompts=(facts[0].prompts[0], Prompt.parse(text)))
    (here,) = locate_batch(model, [fact], replace(SETTINGS, positions="subject"), SELECTION)
    assert [query.prompt for query in here.known.queries] == [fact.prompts[0]]
    (refusal,) = here.refusals
    assert (refusal.reason, refusal.prompt.text) == ("no-subject", text)
    assert text in refusal.detail
    (everywhere,) = locate_batch(model, [fact], replace(SETTINGS, positions="all"), SELECTION)
    assert len(everywhere.known.queries) == 2
    assert not everywhere.refusals


def test_what_was_located_is_saved_and_used_again(model, located, tmp_path):
    """All that is done with neurons in memory is done with those of a file, to the same result."""
    known = KnowledgeNeuronTable.of(located)
    again = KnowledgeNeuronTable.load(known.save(tmp_path / "known.json"))
    assert again == known
    assert again.counts() == known.counts()
    for table in ("neurons", "facts", "completeness"):
        assert again.to_frame(table).equals(known.to_frame(table))
    degenerate, expected = find_degenerate(model, again), find_degenerate(model, known)
    assert degenerate.to_frame().equals(expected.to_frame())
    neuron = known[0].neurons[0]
    assert describe_neuron(model, neuron, again) == describe_neuron(model, neuron, known)
    exported = [
        export_neurons(each, "torch", tmp_path / name, model=model) for each, name in ((known, "a"), (again, "b"))
    ]
    assert exported[0].read_bytes() == exported[1].read_bytes()


def test_the_neurons_of_one_fact_are_saved(located, tmp_path):
    (known, *_) = (each.known for each in located)
    again = KnowledgeNeurons.load(known.save(tmp_path / "one.json"))
    assert again == known
    assert [query.fact for query in again.queries] == [query.fact for query in known.queries] != [""]
    with pytest.raises(
        BadSetting, match="its format is 'factneurons KnowledgeNeurons 1', not 'factneurons KnowledgeNeu"
    ):
        KnowledgeNeuronTable.load(tmp_path / "one.json")
