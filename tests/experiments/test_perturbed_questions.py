"""Perturbed questions of a study: made, or read beside their originals."""

from __future__ import annotations

import json

import pytest

import factneurons as fn
from factneurons.errors import BadSetting, NotAskable
from factneurons.experiments.perturbed_questions import PerturbedQuestions, conditions_of
from factneurons.experiments.settings import ExperimentSettings
from factneurons.experiments.study import Study
from factneurons.facts.settings import PerturbationSettings


@pytest.fixture(scope="module")
def model():
    return fn.load_model("pocket-gpt2", device="cpu")


@pytest.fixture(scope="module")
def facts():
    return list(fn.load_facts("bundled?relation=capital&lang=en&limit=2"))


def study_of(model, facts, **options):
    return Study(model, facts, ExperimentSettings(methods=("dai",), draws=2, **options))


def stored(folder, rows, name="replace"):
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return f"perturbed:{path}"


def row(fact_id, query):
    names = [{"wikidata_id": "Q1", "name": "Paris"}]
    return {"query": query, "answer": names, "date": "2014", "id": fact_id, "relation": "P54"}


def test_questions_are_those_that_neurons_are_not_found_with(model, facts):
    study = study_of(model, facts, perturbation=PerturbationSettings(versions=2, edits=("add",)))
    versions = PerturbedQuestions(study).of(facts[0])
    _, tested = study.halves(facts[0])
    assert {each.clean for each in versions} == set(tested)
    assert len(versions) == 2 * len(tested)
    assert all("[ADDED]" in each.perturbed.prompt.text for each in versions)
    assert {each.perturbed.fact for each in versions} == {each.clean.fact for each in versions}


def test_stored_questions_stand_beside_the_nearest_original(model, facts, tmp_path):
    _, tested = study_of(model, facts).halves(facts[0])
    text = tested[-1].prompt.text.replace(" is", " [REPLACED]").replace("___", "_X_")
    spec = stored(tmp_path, [row(facts[0].id, text), row("elsewhere", "Who is [REPLACED]?")])
    with pytest.warns(UserWarning, match="1 of its 2 perturbed questions have no original among the facts"):
        questions = PerturbedQuestions(study_of(model, facts, perturbed=(spec,)))
    (version,) = questions.of(facts[0])
    assert (version.edit, version.clean) == ("replace", tested[-1])
    with pytest.raises(NotAskable, match="among the perturbed ones") as caught:
        questions.of(facts[1])
    assert caught.value.reason == "no-perturbed-version"


def test_perturbed_questions_without_their_originals_are_refused_in_one_line(model, facts, tmp_path):
    spec = stored(tmp_path, [row("Q1_P54_2014", "Who is [REPLACED]?")], "mine")
    message = "1 of its 1 perturbed questions have no original among the facts; give the facts they were made from"
    with pytest.raises(BadSetting, match=message) as caught:
        PerturbedQuestions(study_of(model, facts, perturbed=(spec,)))
    assert "\n" not in str(caught.value)


def test_a_question_too_short_is_told(model, facts):
    short = fn.Fact("s", "capital", "France", "Paris", "en", (fn.Prompt("France ___."),))
    options = PerturbationSettings(edits=("delete",))
    with pytest.raises(NotAskable, match="long enough") as caught:
        PerturbedQuestions(study_of(model, [short], perturbation=options)).of(short)
    assert caught.value.reason == "no-perturbed-version"


def test_random_sets_match_theirs(model, facts):
    study = study_of(model, facts)
    found = conditions_of(study, facts[0])
    neurons = found["knowledge"][0]
    assert found["none"] == [()]
    for own in found["random for knowledge"]:
        assert len(own) == len(neurons)
        assert not set(own) & set(neurons)
    assert ("degenerate" in found) == bool(study.degenerate(facts[0]))
