"""What is new to a model, and the neurons of many facts together."""

from dataclasses import replace

import pytest

import factneurons as fn
from factneurons.errors import BadSetting, NotAskable
from factneurons.experiments.learning import given_to_learn, new_fact, random_sets, union
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
