"""The suite's page from measurements that are made up: languages beside each other, published numbers, no links out."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

import factneurons as fn
from factneurons.experiments.cells import chosen_cells
from factneurons.experiments.suite import EXPERIMENTS
from factneurons.experiments.types import Measured
from factneurons.report.html import environment, render
from factneurons.report.page import run_report
from factneurons.report.sections.ladders import ladders_in
from factneurons.report.sections.suite import SuiteModel, write_suite
from factneurons.report.text import could_tell

CELLS = chosen_cells(["attenuation", "overlap"])


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """A suite's folder with one model's run: E6 in two languages."""

    def prepare(study):
        def work(fact):
            yield Measured("degenerate", "loss, values", 0.5 if fact.language == "en" else 0.1, "add")
            yield Measured("random for degenerate", "loss, values", 0.3, "add")

        return work

    monkeypatch.setitem(EXPERIMENTS, "E6", replace(EXPERIMENTS["E6"], prepare=prepare))
    model = fn.load_model("pocket-gpt2", device="cpu")
    fn.run_experiment("E6", model, "bundled?relation=capital&limit=16", tmp_path / "one")
    return tmp_path


MODELS = [SuiteModel("one", "one"), SuiteModel("<b>two", "two", {"E6": "<i>broken"})]


def test_every_language_is_a_column_and_what_is_missing_is_said(folder):
    results = write_suite(folder, MODELS, CELLS, "bundled")[0].set_index(["model", "cell", "language"]).sort_index()
    assert results.loc["one", "attenuation/values", "en"]["difference"] == pytest.approx(0.2)
    assert results.loc["one", "attenuation/values", "zh"]["difference"] == pytest.approx(-0.2)
    assert set(results.loc["one", "overlap/degenerate"]["verdict"]) == {"not measured"}
    assert results.loc["<b>two", "attenuation/weights", ""]["failure"] == "<i>broken"
    page = (folder / "suite.html").read_text(encoding="utf-8")
    assert "<b>two" not in page
    assert "<i>broken" not in page
    assert "&lt;i&gt;broken" in page


def test_tables_beside_the_page_hold_the_same(folder):
    results, _ = write_suite(folder, MODELS, CELLS, "bundled")
    assert pd.read_parquet(folder / "suite.parquet").equals(results)
    assert pd.read_csv(folder / "suite.csv")["cell"].tolist() == results["cell"].tolist()
    published = pd.read_csv(folder / "suite_published.csv").set_index(["measure", "place", "condition", "model"])
    assert published.loc[("loss, values", "add", "degenerate", "GPT-2"), "value"].item() == 0.3
    ours = published.loc[("loss, values", "add", "degenerate", "one")]
    assert sorted(ours["value"]) == pytest.approx([0.1, 0.5])
    assert set(ours["provenance"]) == {"measured here"}


def test_models_of_one_family_are_told_together(folder):
    """The same run under two names: a trajectory that goes nowhere."""
    found = pd.DataFrame(
        [
            {"fact_id": f"f{number}", "subject": f"s{number}", "language": "en", "measure": "components",
             "condition": "degenerate", "place": "", "value": 1.0}
            for number in range(8)
        ]
    )  # fmt: skip
    climbed = ladders_in(folder, [SuiteModel("one", "one"), SuiteModel("<b>", "one")],
                         {("one", "E11"): found, ("<b>", "E11"): found})  # fmt: skip
    assert [(each.ladder.along, len(each.followed)) for each in climbed] == [("training", 4)]
    page = render(
        environment(), "suite.html.j2", [],
        models=MODELS, data="", columns=[], groups={}, grid={}, beside=[], verdicts={}, climbed=climbed,
        could_tell=could_tell,
    )  # fmt: skip
    assert "Training: gpt2" in page
    assert "2,048 neurons" in page
    assert "no model was measured" in page
    assert "<bdi><b></bdi>" not in page


def test_the_pages_have_no_barrier(folder, audit):
    write_suite(folder, MODELS, CELLS, "bundled")
    audit(folder / "suite.html")
    audit(run_report(folder / "one"))
