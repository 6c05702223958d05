"""`run_experiment`: rows of an experiment made up here; what is left out, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from factneurons.errors import BadRun, BadSetting, NotAskable
from factneurons.experiments.suite import experiment_named
from factneurons.experiments.types import Measured
from factneurons.stages.experiment import run_experiment, stage_of

FACTS = "bundled?relation=capital&lang=en&limit=4"


@pytest.fixture
def lengths():
    """lengths(nothing, refused): counts the letters of answers; facts of these numbers give nothing, or are refused."""
    prepared = []

    def make(nothing=(), refused=()):
        def prepare(study):
            prepared.append(len(study.facts))
            numbers = {fact.key: place for place, fact in enumerate(study.facts)}

            def work(fact):
                if numbers[fact.key] in refused:
                    raise NotAskable("too-hard", "nobody knows")
                return [] if numbers[fact.key] in nothing else [Measured("all", "letters", len(fact.answer))]

            return work

        return replace(experiment_named("E1"), id="E0", title="Lengths", prepare=prepare)

    make.prepared = prepared
    return make


def test_measurements_are_rows_and_come_once(lengths, gpt2, tmp_path, seen, parts):
    run = run_experiment(lengths(), gpt2, FACTS, tmp_path / "run", limit=2, progress=seen)
    assert len(run.table("measurements")) == 2
    again = run_experiment(lengths(), gpt2, FACTS, tmp_path / "run")
    table = again.table("measurements")
    facts = {row.fact_id: row for row in table.itertuples()}
    assert (len(facts), facts["capital/france"].value) == (4, len("Paris"))
    assert seen.ended == ["e0"]
    before = parts(again)
    assert parts(run_experiment(lengths(), gpt2, FACTS, tmp_path / "run")) == before
    assert lengths.prepared == [2, 4]  # nothing is prepared where nothing is left to do


def test_what_is_left_out_is_counted_with_its_reason(lengths, gpt2, tmp_path):
    run = run_experiment(lengths(nothing={0}, refused={2}), gpt2, FACTS, tmp_path / "run")
    assert run.counts("e0").done == 2
    assert run.counts("e0").skipped == {"nothing-measured": 1, "too-hard": 1}


def test_nothing_at_all_is_an_error(lengths, gpt2, tmp_path):
    with pytest.raises(BadRun, match=r"E0: none of the 4 facts of .* \(4 nothing-measured\); it needs one at least"):
        run_experiment(lengths(nothing=range(4)), gpt2, FACTS, tmp_path / "run")


def test_a_stage_for_each_experiment():
    stage = stage_of(experiment_named("E2"))
    assert (stage.name, stage.needs, stage.tables) == ("e2", (), ("measurements",))


@pytest.mark.parametrize("options", [{"draws": 0}, {"drawing": 1}])
def test_impossible_options(lengths, gpt2, tmp_path, options):
    with pytest.raises(BadSetting, match="draw"):
        run_experiment(lengths(), gpt2, FACTS, tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_no_such_experiment(gpt2, tmp_path):
    with pytest.raises(BadSetting):
        run_experiment("E99", gpt2, FACTS, tmp_path / "run")
