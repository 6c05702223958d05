"""`run_suite` with experiments made up here: one study a model, failures told, nothing done twice, other settings."""

from __future__ import annotations

from dataclasses import replace

import pytest

from factneurons.errors import BadRun, BadSetting, NotAskable
from factneurons.experiments.suite import EXPERIMENTS
from factneurons.experiments.types import Measured
from factneurons.models.load import load_model
from factneurons.stages.suite import run_suite
from factneurons.stages.suite_plan import plan_suite

FACTS = "bundled?relation=capital&lang=en&limit=8"
ONLY = ("attenuation", "E9", "E10")


@pytest.fixture
def studies(monkeypatch):
    """E6 claims what holds, E9 breaks, E10 refuses every fact; the studies that they were given."""
    seen = []

    def attenuation(study):
        seen.append(study)

        def work(fact):
            number = study.once(("numbers", fact.key), lambda: 1 + study.facts.index(fact) / 10)
            for change in ("values", "weights"):
                yield Measured("degenerate", f"loss, {change}", number, "add")
                yield Measured("random for degenerate", f"loss, {change}", 0.1, "add")

        return work

    def broken(study):
        seen.append(study)
        raise RuntimeError("out of\n<memory>")

    def refuses(study):
        def work(fact):
            raise NotAskable("too-hard", "nobody knows")

        return work

    for of, prepare in {"E6": attenuation, "E9": broken, "E10": refuses}.items():
        monkeypatch.setitem(EXPERIMENTS, of, replace(EXPERIMENTS[of], prepare=prepare))
    return seen


@pytest.fixture(scope="module")
def pair(gpt2):
    return [gpt2, load_model("pocket-llama", device="cpu")]


def test_every_cell_of_every_model_and_failures_do_not_stop_the_others(studies, pair, tmp_path, seen):
    suite = run_suite(pair, FACTS, tmp_path / "suite", only=ONLY, progress=seen)
    results = suite.results.set_index(["model", "cell"])
    assert len(results) == 2 * 7
    held = results.loc["pocket-llama", "attenuation/values"]
    assert (held["verdict"], held["facts"], held["page"]) == ("holds", 8, "pocket-llama/experiments.html#E6")
    assert held["difference"] == pytest.approx(1.25)
    assert held["low"] < held["difference"] < held["high"]
    broken = results.loc["pocket-gpt2", "overlap/degenerate"]
    assert (broken["verdict"], broken["failure"]) == ("not measured", "RuntimeError: out of <memory>")
    assert {(model, of) for model, of, _ in suite.failures} == {
        (model, of) for model in ("pocket-gpt2", "pocket-llama") for of in ("E9", "E10")
    }
    assert "8 too-hard" in {of: why for _, of, why in suite.failures}["E10"]
    assert len(studies) == 4
    assert studies[0] is studies[1] is not studies[2]
    assert sum("failed" in note for note in seen.notes) == 4


def test_the_page_shows_the_grid_and_published_numbers_escaped(studies, gpt2, tmp_path):
    suite = run_suite([gpt2], FACTS, tmp_path / "suite", only=ONLY)
    page = suite.page.read_text(encoding="utf-8")
    assert 'href="pocket-gpt2/experiments.html#E6"' in page
    assert (tmp_path / "suite" / "pocket-gpt2" / "experiments.html").exists()
    assert "GPT-2: 0.3" in page
    assert "plotting code" in page
    assert "RuntimeError: out of &lt;memory&gt;" in page
    assert {path.name for path in suite.folder.glob("suite*")} == {
        "suite.html", "suite.csv", "suite.parquet", "suite_ladders.csv", "suite_published.csv"
    }  # fmt: skip


def test_what_is_there_is_not_measured_again_and_is_planned_as_there(studies, gpt2, tmp_path):
    folder = tmp_path / "suite"
    plan = {each.cell.name: each for each in plan_suite([gpt2], FACTS, folder, only=["attenuation", "E2"])}
    assert plan["attenuation/values"].there == "nothing yet"
    assert plan["languages/shared"].obstacle == "it needs facts in 2 languages, and these are in en"
    first = run_suite([gpt2], FACTS, folder, only=["attenuation", "E2"])
    assert not first.failures
    again = run_suite([gpt2], FACTS, folder, only=["attenuation", "E2"])
    assert again.results.equals(first.results)
    assert len(studies) == 1
    (values, *_) = plan_suite([gpt2], FACTS, folder, only=["attenuation"])
    assert values.there == "8 of 8 facts, 8 measured, done"


def test_a_folder_of_other_settings_or_data_is_refused_before_anything_is_done(studies, gpt2, tmp_path):
    run_suite([gpt2], FACTS, tmp_path / "suite", only=["attenuation"])
    with pytest.raises(BadRun, match="draws was 20, is 3 now"):
        run_suite(["no-such-model", gpt2], FACTS, tmp_path / "suite", only=["attenuation"], draws=3)
    with pytest.raises(BadRun, match=r"attribution\.\w+ was \w+, is \w+ now"):
        run_suite([gpt2], FACTS, tmp_path / "suite", only=["attenuation"], as_published=True)
    assert len(studies) == 1


def test_a_model_that_cannot_be_loaded_fails_and_the_others_are_done(studies, gpt2, tmp_path):
    suite = run_suite([str(tmp_path / "nothing"), gpt2], FACTS, tmp_path / "suite", only=["attenuation"])
    assert [of for _, of, _ in suite.failures] == ["E6"]
    assert set(suite.results["verdict"]) == {"holds", "not measured"}


@pytest.mark.parametrize(
    ("models", "only", "message"),
    [([], (), "one or more models"), (["a", "a"], (), "each once"), (["a"], ("E99",), "only is 'E99'"),
     (["a"], ("E2",), "needs facts in 2 languages")],
)  # fmt: skip
def test_bad_requests(studies, tmp_path, models, only, message):
    with pytest.raises(BadSetting, match=message):
        run_suite(models, FACTS, tmp_path / "suite", only=only)
    assert not (tmp_path / "suite").exists()


def test_a_folder_of_models_stands_for_all_of_them_in_order(tmp_path):
    steps = tmp_path / "small" / "steps"
    for name in ("000200", "000100"):
        (steps / name).mkdir(parents=True)
        (steps / name / "config.json").write_text("{}")
    (tmp_path / "small" / "config.json").write_text("{}")
    plan = plan_suite([str(steps), str(tmp_path / "small")], FACTS, tmp_path / "suite", only=["E11"])
    assert list(dict.fromkeys(each.model for each in plan)) == [
        str(steps / "000100"), str(steps / "000200"), str(tmp_path / "small")
    ]  # fmt: skip
