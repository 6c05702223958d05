"""Neurons from elsewhere go through the same door as ours."""

from __future__ import annotations

import pytest

from factneurons.errors import BadFact, BadRun, BadSetting
from factneurons.facts.source import load_facts
from factneurons.models.load import load_model
from factneurons.report.page import run_report
from factneurons.stages import given
from factneurons.stages.degenerate import run_degenerate
from factneurons.stages.languages import run_languages
from factneurons.stages.locate import run_locate

QUICK = {"draws": 2, "unrelated": 1}


@pytest.fixture(scope="module")
def model():
    return load_model("pocket-gpt2")


@pytest.fixture(scope="module")
def facts():
    return list(load_facts("bundled?relation=capital,author&lang=en&sample=3&seed=2"))


@pytest.fixture(scope="module")
def ours(model, facts, tmp_path_factory):
    return run_locate(model, facts, tmp_path_factory.mktemp("runs") / "ours", method="dai", **QUICK)


@pytest.fixture(scope="module")
def theirs(model, facts, ours, tmp_path_factory):
    (part,) = (ours.folder / "parts").glob("*-locate-*/neurons.parquet")
    return given.test_neurons(model, facts, part, tmp_path_factory.mktemp("runs") / "theirs", **QUICK)


def test_our_own_neurons_given_back_have_the_same_effects(ours, theirs):
    for run in (ours, theirs):
        assert run.manifest.stages["test_knowledge"].state == "done"
    first, second = (run.table("interventions") for run in (ours, theirs))
    assert first.drop(columns="probability_after").equals(second.drop(columns="probability_after"))
    assert (first["probability_after"] - second["probability_after"]).abs().max() < 1e-5
    assert set(theirs.table("facts")["method"]) == {"given"}
    key = ["fact_id", "layer", "index"]
    assert sorted(ours.table("neurons")[key].to_numpy().tolist()) == sorted(
        theirs.table("neurons")[key].to_numpy().tolist()
    )


def test_the_later_stages_go_on_with_it(model, theirs):
    run = run_degenerate(theirs, model, **QUICK)
    assert len(run.table("degenerate")) == len(run.table("facts"))
    assert "<html" in run_report(run).read_text(encoding="utf-8")


def test_a_mapping_will_do_and_facts_without_neurons_are_counted(model, facts, tmp_path):
    notes = []
    own = {facts[0].id: [(2, 7), (2, 7)], "nobody": [(0, 0)]}
    run = given.test_neurons(model, facts, own, tmp_path / "run", progress=notes.append, **QUICK)
    assert run.table("facts").set_index("fact_id")["neurons"].to_dict()[facts[0].id] == 1
    assert run.counts("test_knowledge").skipped == {"no-knowledge-neurons": len(facts) - 1}
    assert any("1 of the 2 facts of neurons are tested" in note for note in notes)
    with pytest.raises(BadRun):
        given.test_neurons(model, facts, {facts[0].id: [(2, 8)]}, tmp_path / "run", **QUICK)


@pytest.mark.parametrize(
    ("own", "error", "says"),
    [
        ({}, BadFact, "no neurons to test"),
        ({"nobody": [(0, 0)]}, BadFact, "none of its 1 facts"),
        (None, BadSetting, "another"),
    ],
)
def test_what_does_not_fit_is_refused_before_a_run_is_made(model, facts, tmp_path, own, error, says):
    with pytest.raises(error, match=says):
        given.test_neurons(model, facts, own if own is not None else {facts[0].id: [(9, 9)]}, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_languages_are_joined_by_sets_and_not_by_scores(model, tmp_path):
    names = ("capital/france", "capital/japan")
    both = [fact for fact in load_facts("bundled?relation=capital&lang=en,zh") if fact.id in names]
    run = given.test_neurons(model, both, {name: [(2, 7), (3, 9)] for name in names}, tmp_path / "run", **QUICK)
    joined = run_languages(run, model, **QUICK)
    assert set(joined.table("language_neurons")["shared"]) == {True}
    with pytest.raises(BadSetting, match="method is 'given'"):
        run_languages(run, model, rule="agnostic", **QUICK)
