"""What is new to a model, and the neurons of many facts together."""

import warnings
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest

import factneurons as fn
from factneurons.errors import BadSetting, NotAskable
from factneurons.experiments.learning import given_to_learn, learn, new_fact, random_sets, tell_what_was_learned, union
from factneurons.experiments.settings import ExperimentSettings
from factneurons.experiments.study import Study
from factneurons.facts.related import RelatedFacts
from factneurons.models.types import Neuron


@pytest.fixture(scope="module")
def study():
    facts = list(fn.load_facts("bundled?relation=capital&lang=en&limit=6"))
    return Study(fn.load_model("pocket-gpt2", device="cpu"), facts, ExperimentSettings(methods=("amig",), draws=2))


def test_a_known_fact_gets_another_answer_of_its_relation(study):
    around, fact = RelatedFacts(study.facts), study.facts[0]
    new = new_fact(study, around, fact)
    assert new == new_fact(study, around, fact)
    assert new.answer in {other.answer for other in study.facts[1:]}
    assert new.answer not in (fact.answer, *fact.aliases)
    with pytest.raises(NotAskable, match="no other answer"):
        new_fact(study, RelatedFacts([fact]), fact)


def test_facts_are_given_as_new_by_their_ids(study, tmp_path):
    def given(facts):
        fn.write_jsonl(facts, tmp_path / "new.jsonl")
        return given_to_learn(
            Study(study.model, study.facts, replace(study.settings, new=(str(tmp_path / "new.jsonl"),)))
        )

    elsewhere = replace(study.facts[0], id="somewhere else")
    assert given([study.facts[2], elsewhere]) == {(study.facts[2].id, "en")}
    assert given_to_learn(study) == frozenset()
    with pytest.raises(BadSetting, match="none of its 1 facts is among the facts; give both"):
        given([elsewhere])


def test_an_unknown_fact_keeps_its_own(study):
    unknown = replace(study.facts[0], answer=study.facts[1].answer)
    assert new_fact(study, RelatedFacts(study.facts), unknown) is unknown


def test_union_has_those_of_most_facts_first():
    a, b, c = Neuron(0, 1), Neuron(0, 2), Neuron(1, 0)
    assert union([[c, a], [a], [b, a], [b]]) == (a, b, c)
    assert union([[a]] * 20_000 + [[b]]) == (a,)
    assert union([]) == ()


def test_random_sets_are_matched_or_none(study):
    own = [Neuron(0, 1), Neuron(2, 5)]
    sets = random_sets(study, study.facts[:1], own, "name")
    assert [[neuron.layer for neuron in each] for each in sets] == [[0, 2], [0, 2]]
    assert not set(own) & {neuron for each in sets for neuron in each}
    assert random_sets(study, study.facts[:1], [Neuron(0, index) for index in range(300)], "name") == []


def test_learning_keeps_its_epochs_and_says_how_much_was_learned(study, tmp_path):
    class Keeping(Study):
        def __init__(self):
            super().__init__(study.model, study.facts, study.settings)
            self.checkpoint = lambda name: nullcontext(tmp_path / name)

    new = [new_fact(study, RelatedFacts(study.facts), fact) for fact in study.facts[:2]]
    before = study.model.out_weights([(0, 1)])
    edit, share = learn(Keeping(), new, None, "all")
    assert share >= 0.99
    assert (tmp_path / "all/state.json").is_file()
    assert np.array_equal(study.model.out_weights([(0, 1)]), before)
    with edit.on(study.model):
        ranks = [each.rank for fact in new for each in study.model.evaluate(study.queries(fact)[::2])]
    assert np.mean([rank == 1 for rank in ranks]) == share


@pytest.mark.parametrize(("parts", "moves"), [("all", True), ("in", False)])
def test_the_parts_that_the_settings_name_are_trained(parts, moves, study):
    own, new = [Neuron(0, index) for index in range(40)], [new_fact(study, RelatedFacts(study.facts), study.facts[0])]
    named = Study(study.model, study.facts, replace(study.settings, parts=parts))
    before = study.model.out_weights(own), study.model.in_weights(own)
    edit, _ = learn(named, new, own, "some")
    with edit.on(study.model):
        assert np.array_equal(study.model.out_weights(own), before[0]) != moves
        assert not np.array_equal(study.model.in_weights(own), before[1])


def test_random_sets_are_drawn_as_the_settings_say(study):
    """As in the released code they come from all neurons, whatever their layers."""
    own = [Neuron(0, index) for index in range(300)]  # more than a layer holds beside them
    drawn = Study(study.model, study.facts, replace(study.settings, control="authors"))
    first, second = random_sets(drawn, study.facts[:1], own, "name")
    assert len({neuron.layer for neuron in first}) == study.model.layer_count
    assert first != second
    assert random_sets(study, study.facts[:1], own, "name") == []


def test_what_was_not_learned_is_told():
    with pytest.warns(UserWarning, match=r"E9: 40.0% of the trained prompts are answered rightly; the target of 99%"):
        tell_what_was_learned("E9", 0.4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tell_what_was_learned("E9", 0.99)
