"""`run_experiment`: rows of an experiment made up here; what is left out, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from factneurons.editing import finetuning
from factneurons.errors import BadModel, BadRun, BadSetting, NotAskable
from factneurons.experiments.study import Study
from factneurons.experiments.suite import experiment_named
from factneurons.experiments.types import Measured
from factneurons.runs.skips import Skip
from factneurons.stages.experiment import _checkpoint, held_facts, run_experiment, stage_of

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


class Killed(BaseException):
    """As a signal: nothing of the library catches it."""


def test_a_fine_tuning_that_is_killed_goes_on_at_its_epoch(gpt2, tmp_path, monkeypatch):
    """The same numbers as without, no epoch made twice, and nothing of it left when the experiment is done."""
    epochs, fatal = [], 2
    real = finetuning.save_checkpoint

    def counted(folder, *arguments):
        real(folder, *arguments)
        epochs.append((folder.name, arguments[1].step))
        if len(epochs) == fatal:
            raise Killed

    monkeypatch.setattr(finetuning, "save_checkpoint", counted)
    facts = "bundled?relation=capital&lang=en&limit=2"
    settings = {"methods": ("amig",), "draws": 1}
    with pytest.raises(Killed):
        run_experiment("E9", gpt2, facts, tmp_path / "killed", **settings)
    assert list((tmp_path / "killed/checkpoints/e9").iterdir())
    resumed = run_experiment("E9", gpt2, facts, tmp_path / "killed", **settings)
    assert not (tmp_path / "killed/checkpoints").exists()
    assert len(epochs) == len(set(epochs)) > fatal
    first, epochs[:], fatal = list(epochs), [], None
    whole = run_experiment("E9", gpt2, facts, tmp_path / "whole", **settings)
    assert epochs == first
    assert resumed.table("measurements").equals(whole.table("measurements"))


def test_two_workers_do_not_share_a_checkpoint(tmp_path):
    with _checkpoint(tmp_path / "c", "random for degenerate-0") as mine:
        assert mine == tmp_path / "c/random-for-degenerate-0"
        with _checkpoint(tmp_path / "c", "random for degenerate-0") as other:
            assert other is None
        with _checkpoint(tmp_path / "c", "all-0") as another:
            assert another == tmp_path / "c/all-0"
    with _checkpoint(tmp_path / "c", "random for degenerate-0") as again:
        assert again == mine


@pytest.mark.parametrize("experiment", ["E9", "E10"])
def test_a_quantised_model_is_refused_before_anything_is_located(experiment, gpt2, tmp_path, monkeypatch):
    monkeypatch.setattr(gpt2.backbone.module.config, "quantization_config", {"bits": 4}, raising=False)
    monkeypatch.setattr(Study, "knowledge", None)
    with pytest.raises(BadModel, match="is quantised, so its weights cannot be edited: load it without quantisation"):
        run_experiment(experiment, gpt2, FACTS, tmp_path / "run")


def test_a_wrong_answer_that_is_left_out_is_no_fact():
    part, record = (Skip("bad", "why", part=part) for part in (True, False))
    held = held_facts(FACTS, limit=None, skip_bad=False)
    assert held.records == 4
    assert replace(held, skips=(part, part, record)).records == 5
