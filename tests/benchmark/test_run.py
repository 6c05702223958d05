"""What is planted and judged, once; and a small benchmark from the model to the page."""

from __future__ import annotations

from dataclasses import replace

import pytest

from factneurons.benchmark.page import write_results
from factneurons.benchmark.rows import COLUMNS
from factneurons.benchmark.run import TABLE, check_bases, model_folders, run_benchmark
from factneurons.benchmark.settings import BenchmarkSettings
from factneurons.errors import BadModel
from factneurons.planted.settings import PlantingSettings

SETTINGS = BenchmarkSettings(
    bases=("pocket-bert", "pocket-gpt2"),
    seeds=(0, 1),
    grouped_by=("true",),
    mixes={"easy": {"single": 1}},
    undesigned=0,
)


@pytest.fixture
def counted(monkeypatch, copy_of_tiny, said):
    """Planting copies a folder, judging says what was written by hand; both are counted."""
    calls = {"plant": [], "judge": []}

    def plant(base, place, *, settings, report):
        calls["plant"].append((base, settings.seed))
        report("planted")
        copy_of_tiny(place)

    def judge(place, *, grouped_by):
        calls["judge"].append((place.name.rpartition("-")[0], grouped_by))
        return said

    monkeypatch.setattr("factneurons.benchmark.jobs.plant", plant)
    monkeypatch.setattr("factneurons.benchmark.jobs.judge", judge)
    return calls


def test_nothing_is_done_twice(counted, tmp_path):
    lines = []
    first = run_benchmark(tmp_path, SETTINGS, report=lines.append)
    assert counted["plant"] == [("pocket-bert", 0), ("pocket-gpt2", 0), ("pocket-bert", 1), ("pocket-gpt2", 1)]
    assert [name for name, _ in counted["judge"]] == [
        "pocket-bert-0",
        "pocket-gpt2-0",
        "pocket-bert-1",
        "pocket-gpt2-1",
    ]
    assert lines[:3] == ["planting pocket-bert-0", "pocket-bert-0: planted", "judging pocket-bert-0"]
    assert lines[3] == "1 of 4 models, less than a minute left"
    assert (tmp_path / TABLE).is_file()
    again = run_benchmark(tmp_path, SETTINGS, report=lines.append)
    assert (len(counted["plant"]), len(counted["judge"])) == (4, 4)
    assert again.equals(first)


def test_what_changed_is_done_again(counted, tmp_path):
    run_benchmark(tmp_path, SETTINGS)
    more = run_benchmark(tmp_path, replace(SETTINGS, seeds=(0, 1, 2)))
    assert (len(counted["plant"]), len(counted["judge"])) == (6, 6)
    assert set(more["seed"]) == {0, 1, 2}
    run_benchmark(tmp_path, replace(SETTINGS, grouped_by=("true", "dai")))
    assert (len(counted["plant"]), len(counted["judge"])) == (6, 10)
    run_benchmark(tmp_path, replace(SETTINGS, planting=PlantingSettings(steps=7)))
    assert (len(counted["plant"]), len(counted["judge"])) == (10, 14)


def test_a_base_with_other_weights_is_another_model(tmp_path):
    base = tmp_path / "base"
    base.mkdir()
    settings = replace(SETTINGS, bases=(str(base),), seeds=(0,))
    places = []
    for content in (b"first", b"second", b"first"):
        (base / "model.safetensors").write_bytes(content)
        places += model_folders(tmp_path, settings)
    assert places[0] == places[2] != places[1]


def test_what_was_done_before_a_stop_is_kept(counted, tmp_path, monkeypatch, copy_of_tiny):
    def stop(base, place, *, settings, report):
        if base == "pocket-gpt2":
            raise KeyboardInterrupt
        copy_of_tiny(place)

    with monkeypatch.context() as patch:
        patch.setattr("factneurons.benchmark.jobs.plant", stop)
        with pytest.raises(KeyboardInterrupt):
            run_benchmark(tmp_path, SETTINGS)
    run_benchmark(tmp_path, SETTINGS)
    assert ("pocket-bert", 0) not in counted["plant"]
    assert len(counted["judge"]) == 4


def test_bad_bases():
    with pytest.raises(BadModel, match="valid: random-bert, random-gpt2, random-llama"):
        check_bases(BenchmarkSettings(bases=("random-gpt3",)))


def test_a_small_benchmark(tmp_path, monkeypatch, copy_of_tiny):
    """Real judging of a truth that no weight keeps; only the planting is put in its place by hand."""
    monkeypatch.setattr("factneurons.benchmark.jobs.plant", lambda base, place, **_: copy_of_tiny(place))
    settings = BenchmarkSettings(
        bases=("random-gpt2",), seeds=(0,), grouped_by=("true",), mixes={"easy": {"single": 1}}
    )
    table = run_benchmark(tmp_path, settings)
    assert list(table.columns) == list(COLUMNS)
    assert set(table["part"]) == {"localisation", "grouping", "verdict"}
    assert set(table["fact_id"]) == {"capital/france", "capital/japan", "capital/peru"}
    grouped = table[table["part"] == "grouping"]
    assert "capital/peru" not in set(grouped["fact_id"])  # interchangeable neurons have no right grouping
    assert {"ntc", "interaction", "random"} <= set(grouped["contestant"])
    assert "true groups" in set(grouped["contestant"])
    assert table.loc[table["measure"] == "held_out_loss", "value"].isna().all(), "a fact of one prompt has no other"
    precise = table[table["measure"].isin(["precision", "recall", "average_precision", "f1", "right"])]
    assert precise["value"].between(0, 1).all()
    written = write_results(tmp_path, table, model_folders(tmp_path, settings))
    assert written.page.stat().st_size > 100_000
    assert written.summary.is_file()


def test_every_group_of_regimes_has_models_of_its_own_and_the_easy_ones_keep_their_place(counted, tmp_path):
    both = replace(SETTINGS, mixes={"easy": {"single": 1}, "hard": {"diffuse": 1}})
    names = [path.name for path in model_folders(tmp_path, both)]
    assert [name.rpartition("-")[0] for name in names[:4]] == [
        "pocket-bert-0",
        "pocket-bert-hard-0",
        "pocket-gpt2-0",
        "pocket-gpt2-hard-0",
    ]
    assert names[::2] == [path.name for path in model_folders(tmp_path, SETTINGS)]
    table = run_benchmark(tmp_path, both)
    assert (len(counted["plant"]), table["model"].nunique()) == (8, 8)
