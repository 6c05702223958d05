"""What experiments work with: halves of prompts, facts left out with a reason, neurons found once."""

from __future__ import annotations

import pytest

import factneurons as fn
from factneurons.attribution import locate as locate_module
from factneurons.degeneracy import find as find_module
from factneurons.degeneracy.find import degenerate_neurons
from factneurons.errors import BadSetting, NotAskable
from factneurons.experiments.settings import ExperimentSettings
from factneurons.experiments.study import Study
from factneurons.facts.types import Fact, Prompt

FEW = ExperimentSettings(methods=("dai",), draws=2, unrelated=1)


@pytest.fixture(scope="module")
def model():
    return fn.load_model("pocket-gpt2", device="cpu")


@pytest.fixture(scope="module")
def facts():
    return list(fn.load_facts("bundled?relation=capital&limit=6"))


def test_neurons_are_found_with_one_half_of_the_prompts_and_tested_with_the_other(model, facts):
    study = Study(model, facts, FEW)
    found, tested = study.halves(facts[0])
    assert not {query.prompt for query in found} & {query.prompt for query in tested}
    assert {*found, *tested} == set(study.queries(facts[0]))
    assert study.knowledge(facts[0], "dai").queries == found


def test_a_single_prompt_is_both_halves(model):
    fact = Fact("one", "capital", "France", "Paris", "en", (Prompt("The capital of France is ___."),))
    found, tested = Study(model, [fact], FEW).halves(fact)
    assert found == tested
    assert len(found) == 1


def test_announced_facts_are_located_together_and_each_once(model, facts, monkeypatch):
    batches = []
    locate = locate_module.locate_batch

    def counted(*arguments, **options):
        batches.append(len(arguments[1]))
        return locate(*arguments, **options)

    monkeypatch.setattr(locate_module, "locate_batch", counted)
    study = Study(model, facts, FEW)
    study.expect(facts[:4])
    together = [study.knowledge(fact, "dai") for fact in facts[:4]]
    assert batches == [4]
    alone = Study(model, facts, FEW)
    assert [alone.knowledge(fact, "dai").neurons for fact in facts[:4]] == [each.neurons for each in together]
    assert all(each.fact is fact for each, fact in zip(together, facts[:4], strict=True))


def test_the_same_fact_in_every_language(model, facts):
    study = Study(model, facts, FEW)
    assert set(study.languages(facts[0])) == {"en", "zh"}
    assert study.languages(facts[0])[facts[0].language] == facts[0]


def test_facts_that_are_not_known_are_left_out_unless_asked_for(model):
    wrong = Fact("wrong", "capital", "France", "Berlin", "en", (Prompt("The capital of France is ___."),))
    with pytest.raises(NotAskable, match="comes first in none") as refused:
        Study(model, [wrong], FEW).require_known(wrong)
    assert refused.value.reason == "not-known"
    Study(model, [wrong], ExperimentSettings(known_only=False)).require_known(wrong)


def test_a_fact_without_a_prompt_that_can_be_asked_is_left_out(model):
    blind = Fact("blind", "capital", "France", "Paris", "en", (Prompt("___ is the capital of France."),))
    study = Study(model, [blind], FEW)
    with pytest.raises(NotAskable, match="none of its 1 prompts can be asked"):
        study.queries(blind)
    assert study.pool.unrelated(blind, 5, 1) == []


@pytest.mark.parametrize("wrong", [{"methods": ()}, {"draws": 0}, {"unrelated": -1}])
def test_impossible_settings(wrong):
    with pytest.raises(BadSetting):
        ExperimentSettings(**wrong)


def test_components_of_announced_facts_are_searched_together_and_each_once(model, facts, monkeypatch):
    searched = []
    search = find_module.degenerate_search

    def counted(asked, known, *options):
        searched.append(known.fact.id)
        return search(asked, known, *options)

    monkeypatch.setattr(find_module, "degenerate_search", counted)
    own = [fact for fact in facts if fact.language == "en"][:3]
    study = Study(model, own, FEW)
    study.expect(own)
    found = [study.components(fact) for fact in own]
    assert study.search(study.knowledge(fact, "dai") for fact in own) == found
    assert sorted(searched) == sorted(fact.id for fact in own)
    monkeypatch.undo()
    alone = degenerate_neurons(model, study.knowledge(own[0], "dai"), FEW.search)
    assert [each.neurons for each in found[0].candidates] == [each.neurons for each in alone.candidates]
    assert study.degenerate(own[0]) == alone.neurons


def test_what_experiments_share_is_made_once(model, facts):
    study, made = Study(model, facts, FEW), []
    assert [study.once(("a", "b"), lambda: made.append(1) or len(made)) for _ in range(3)] == [1, 1, 1]
    assert study.once(("a", "c"), lambda: "other") == "other"
