"""Which models a benchmark has, and where; a tiny model trained with groups off, from its training to the page."""

from __future__ import annotations

from dataclasses import replace

import pytest

from factneurons.benchmark.contestants import groupers
from factneurons.benchmark.jobs import Planted, Trained, jobs_of
from factneurons.benchmark.page import write_results
from factneurons.benchmark.run import model_folders, run_benchmark
from factneurons.benchmark.settings import DISTINCT, ORACLE, UNDESIGNED, BenchmarkSettings
from factneurons.benchmark.summary import MEASURES, comparisons, summary
from factneurons.benchmark.tables import ranked, table_of, undesigned_found, undesigned_verdicts
from factneurons.facts.types import Fact, Prompt
from factneurons.planted.from_scratch import switched_recipe, train_switched

PLACES = {"France": "Paris", "Italy": "Rome", "Japan": "Tokyo", "Egypt": "Cairo", "Kenya": "Nairobi", "Peru": "Lima"}
PATTERNS = ("The capital of [X] is ___.", "[X] has the capital ___.", "What is the capital of [X]? ___")
FACTS = [
    Fact(f"capital/{name}", "capital", name, answer, "en", tuple(Prompt(p.replace("[X]", name)) for p in PATTERNS))
    for name, answer in PLACES.items()
]
ONLY = BenchmarkSettings(bases=("pocket-gpt2",), seeds=(1,), mixes={}, undesigned=1)


def test_every_group_is_of_models_of_its_own_seed_by_seed(tmp_path):
    settings = BenchmarkSettings(bases=("pocket-gpt2", "random-llama"), seeds=(0, 1), mixes={"easy": {"single": 1}})
    jobs = jobs_of(tmp_path, settings)
    assert [job.name for job in jobs] == [
        f"{name}-{seed}" for seed in (0, 1) for name in ("pocket-gpt2", "random-llama", "pocket-gpt2-undesigned")
    ]
    assert [type(job) for job in jobs] == [Planted, Planted, Trained] * 2
    assert len({job.place for job in jobs}) == len(jobs)
    assert not any(job.made for job in jobs)
    assert [job.group for job in jobs_of(tmp_path, replace(settings, undesigned=0))] == ["easy"] * 4
    assert [job.group for job in jobs_of(tmp_path, replace(settings, mixes={}))] == [UNDESIGNED] * 2


@pytest.fixture(scope="module")
def benchmarked(tmp_path_factory):
    """One command's work on a model of few facts, and what it said."""
    folder, lines = tmp_path_factory.mktemp("benchmark"), []
    small = {"vocabulary_size": 600, "positions": 32, "batch_size": 12, "check_every": 60, "warmup_steps": 10}
    recipe = replace(switched_recipe("pocket-gpt2", 1), max_steps=120, **small)

    def train(base, place, seed, *, report):
        return train_switched(base, place, seed, facts=FACTS, recipe=recipe, report=report)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("factneurons.benchmark.jobs.train_switched", train)
        table = run_benchmark(folder, ONLY, report=lines.append)
    return folder, table, lines


def test_a_small_benchmark_of_facts_that_nobody_planted(benchmarked):
    _, table, lines = benchmarked
    assert lines[0] == "training pocket-gpt2-undesigned-1"
    assert "judging pocket-gpt2-undesigned-1" in lines
    assert table["fact_id"].nunique() == 1
    assert set(table["contestant"]) == {*groupers(), ORACLE}
    assert set(table["measure"]) == set(MEASURES[UNDESIGNED])
    values = table.pivot_table(index=["fact_id", "contestant"], columns="measure", values="value")
    assert (values.xs(ORACLE, level="contestant")["purity"] == 1).all()
    assert values["purity"].between(0.5, 1).all()
    assert (values["above_chance"] <= values["purity"]).all()
    called = table[table["measure"] == "components"]
    assert (called["value"] == called["verdict"].isin(DISTINCT)).all()


def test_its_tables_say_what_its_rows_say(benchmarked):
    _, table, _ = benchmarked
    summed = summary(table)
    shown = table_of(summed, UNDESIGNED)
    assert shown.columns[0] == "clusterer"
    assert [row[0] for row in shown.rows] == ranked(summed, UNDESIGNED)
    assert {row[0] for row in shown.rows} == {*groupers(), ORACLE}
    counts = undesigned_verdicts(table, summed)
    assert all(sum(map(int, row[1:])) == 1 for row in counts.rows)
    assert undesigned_found(summed).startswith("Facts: 1; models: 1. ")
    compared = comparisons(table)
    assert set(compared["contestant"]) == {*groupers()} - {"interaction"}
    assert set(compared["part"]) == {UNDESIGNED}


def test_what_was_trained_and_judged_stays(benchmarked):
    folder, table, _ = benchmarked
    lines: list[str] = []
    assert run_benchmark(folder, ONLY, report=lines.append).equals(table)
    assert lines == []


def test_the_page_has_its_section_and_no_other(benchmarked):
    folder, table, _ = benchmarked
    text = write_results(folder, table, model_folders(folder, ONLY)).page.read_text(encoding="utf-8")
    assert 'id="undesigned"' in text
    assert 'id="planted"' not in text
    assert "1 trained, in which nobody planned the facts" in text


def test_a_base_that_is_not_bundled_is_planted_in_only_and_that_is_said(tmp_path, monkeypatch, copy_of_tiny, said):
    monkeypatch.setattr("factneurons.benchmark.jobs.plant", lambda base, place, **_: copy_of_tiny(place))
    monkeypatch.setattr("factneurons.benchmark.jobs.judge", lambda place, **_: said)
    lines: list[str] = []
    settings = BenchmarkSettings(bases=("random-gpt2",), seeds=(0,), mixes={"easy": {"single": 1}})
    table = run_benchmark(tmp_path, settings, report=lines.append)
    assert lines[0].startswith("undesigned: no model is trained for random-gpt2, only for pocket-bert, ")
    assert UNDESIGNED not in set(table["part"])
