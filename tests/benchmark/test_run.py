"""What is planted and judged, once; and a small benchmark from the model to the page."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from factneurons.benchmark.page import write_results
from factneurons.benchmark.run import (
    COLUMNS,
    TABLE,
    check_bases,
    false_components,
    long_table,
    model_folders,
    run_benchmark,
)
from factneurons.benchmark.settings import BenchmarkSettings
from factneurons.errors import BadModel
from factneurons.planted.settings import PlantingSettings

SETTINGS = BenchmarkSettings(
    bases=("pocket-bert", "pocket-gpt2"), seeds=(0, 1), grouped_by=("true",), mixes={"easy": {"single": 1}}
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

    monkeypatch.setattr("factneurons.benchmark.run.plant", plant)
    monkeypatch.setattr("factneurons.benchmark.run.judge", judge)
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
        patch.setattr("factneurons.benchmark.run.plant", stop)
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
    monkeypatch.setattr("factneurons.benchmark.run.plant", lambda base, place, **_: copy_of_tiny(place))
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


def test_every_number_is_a_row(said):
    rows = long_table(said, "folder/pocket-bert", 3)
    assert list(rows.columns) == list(COLUMNS)
    assert set(rows["model"]) == {"pocket-bert-3"}
    assert len(rows) == 2 * (2 * 4 + 2 + 2)
    assert set(rows.loc[rows["value"].isna(), "measure"]) == {"false_components"}
    assert not rows.drop(columns="value").isna().any().any()
    assert set(long_table(said, "folder/pocket-bert", 3, "hard")["model"]) == {"pocket-bert-hard-3"}
    verdicts = rows[(rows["part"] == "verdict") & (rows["measure"] == "right")]
    assert verdicts.set_index("fact_id")["value"].to_dict() == {"a": 0.0, "b": 1.0}
    assert set(rows.loc[rows["part"] != "verdict", "verdict"]) == {""}


@pytest.mark.parametrize(
    ("regime", "verdict", "false"),
    [
        ("diffuse", "redundant", 1.0),
        ("diffuse", "none", 0.0),
        ("single", "degenerate", 1.0),
        ("redundant", "degenerate", math.nan),
        ("large", "single", math.nan),
    ],
)
def test_components_are_false_where_there_are_none(regime, verdict, false):
    assert false_components(regime, verdict) == pytest.approx(false, nan_ok=True)


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


def test_the_columns_are_documented():
    page = Path(__file__).parents[2] / "docs" / "benchmark.md"
    rows = "\n".join(f"| `{name}` | {meaning} |" for name, meaning in COLUMNS.items())
    assert rows in page.read_text(encoding="utf-8")
