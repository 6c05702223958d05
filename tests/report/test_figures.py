"""The charts: their numbers, and the files they become."""

import json
import math

import numpy as np
import pytest

from factneurons.report.drawing import page_specification
from factneurons.report.figures import barcode, completeness, effects, figures_of, neuron_counts
from factneurons.report.page import run_report
from factneurons.report.reading import findings_in, read
from factneurons.runs.store import Run


@pytest.fixture(scope="module")
def reading(whole_run):
    return read(Run.open(whole_run), 4)


@pytest.fixture(scope="module")
def figures(reading):
    return {figure.name: figure for figure in figures_of(reading, findings_in(reading))}


def values(specification):
    """The rows in a chart, whichever of its layers they are in."""
    return [row for rows in specification["datasets"].values() for row in rows]


def bar(birth, death, chosen=False, size=2):
    return {"birth": birth, "death": death, "size": size, "chosen": chosen}


def test_there_is_a_chart_for_each_question(figures):
    assert list(figures) == [
        "neurons_by_layer",
        "neuron_counts",
        "probabilities",
        "effect_of_suppress",
        "effect_of_enhance",
        "completeness",
        "acquisition_components",
        "acquisition_candidates",
    ]


def test_shares_by_layer_add_up_to_1(figures, whole_run):
    rows = values(page_specification(figures["neurons_by_layer"]))
    for kind in ("knowledge neurons", "degenerate neurons"):
        own = [row for row in rows if row["kind"] == kind]
        assert sum(row["share"] for row in own) == pytest.approx(1)
        assert [row["layer"] for row in own] == list(range(8))
    table = Run.open(whole_run).table("neurons")
    counts = {row["layer"]: row["count"] for row in rows if row["kind"] == "knowledge neurons"}
    assert counts == {layer: int((table["layer"] == layer).sum()) for layer in range(8)}


@pytest.mark.parametrize("name", ["neuron_counts", "probabilities"])
def test_histograms_hold_every_fact_once(figures, name):
    rows = values(page_specification(figures[name]))
    assert sum(row["facts"] for row in rows) == 24
    assert all(row["low"] < row["high"] for row in rows)


def test_wide_counts_are_binned(reading, monkeypatch):
    wide = reading.facts.assign(neurons=range(0, 2400, 100))
    monkeypatch.setattr(reading, "facts", wide)
    figure = neuron_counts(reading)
    rows = values(page_specification(figure))
    assert len(rows) <= 30
    assert sum(row["facts"] for row in rows) == 24


def test_effects_are_those_of_the_findings(figures, reading):
    findings = findings_in(reading)
    rows = values(page_specification(figures["effect_of_suppress"]))
    own = findings.effect("knowledge", "suppress", "related").relative.interval
    assert {"change": own.estimate, "low": own.low, "high": own.high}.items() <= next(
        row for row in rows if row.get("neurons") == "knowledge neurons" and row["prompts"] == "the fact's own prompts"
    ).items()


def test_an_effect_without_an_interval_has_a_point_and_no_line(make_run, invented_facts, tmp_path):
    one = [fact for fact in invented_facts if fact.id == "capital/france" and fact.language == "en"]
    findings = findings_in(read(Run.open(make_run(tmp_path / "run", facts=one)), 1))
    rows = [row for row in values(page_specification(effects(findings, "suppress"))) if "change" in row]
    assert rows
    assert all(row["low"] is None and row["high"] is None for row in rows)


def test_an_error_of_0_has_a_place_on_the_logarithmic_scale(reading):
    findings = findings_in(reading)
    reading.errors.update({0: np.zeros(3)})
    try:
        rows = values(page_specification(completeness(findings_in(reading))))
    finally:
        reading.errors.update(read(reading.run, 4).errors)
    assert min(row["error"] for row in rows if "error" in row) > 0
    assert findings.layer_errors != ()


def test_a_barcode_has_one_bar_per_cluster_and_colours_the_chosen():
    rows = values(page_specification(barcode(1, [bar(0, 1.5), bar(0.2, 3, chosen=True), bar(0, 0.7)])))
    assert [(row["birth"], row["death"], row["kind"]) for row in rows] == [
        (0, 0.7, "not chosen"),
        (0, 1.5, "not chosen"),
        (0.2, 3, "chosen as a candidate"),
    ]


def test_a_barcode_of_which_nothing_was_chosen_has_no_legend():
    assert "field" not in page_specification(barcode(1, [bar(0, 1.5), bar(0.2, 3)]))["encoding"]["color"]


def test_a_cluster_that_never_dies_reaches_beyond_all_others():
    specification = page_specification(barcode(1, [bar(0, 1), bar(0, math.inf), bar(2, 3)]))
    (endless,) = [row for row in values(specification) if row["dies"] == "never"]
    assert 3 < endless["death"] < 4
    json.dumps(specification, allow_nan=False)


def test_distances_over_decades_get_a_scale_that_shows_the_short_ones():
    def scale(bars):
        return page_specification(barcode(1, bars))["encoding"]["x"]["scale"]

    assert scale([bar(0, 1), bar(0, 2), bar(0, 3)]) == {"zero": True}
    assert scale([bar(0, 1), bar(0, 1.2), bar(0, 500)]) == {"type": "symlog", "constant": 1.2}
    assert scale([bar(0, 0), bar(0, 0)]) == {"zero": True}
    assert "closer together" in barcode(1, [bar(0, 1), bar(0, 1.2), bar(0, 500)]).caption


def test_no_barcode_without_clusters():
    assert barcode(1, []) is None


def test_files_are_written_for_every_chart(make_run, tmp_path):
    folder = make_run(tmp_path / "run")
    run_report(folder, figures=("png", "svg", "png"), max_facts=1)
    files = sorted(path.name for path in (folder / "figures").iterdir())
    names = ["acquisition_candidates", "acquisition_components", "barcode_0001", "completeness"]
    names += ["effect_of_enhance", "effect_of_suppress", "neuron_counts"]
    names += ["neurons_by_layer", "probabilities"]
    assert files == [f"{name}.{kind}" for name in names for kind in ("png", "svg")]
    for path in (folder / "figures").iterdir():
        data = path.read_bytes()
        assert data.startswith(b"\x89PNG\r\n" if path.suffix == ".png" else b"<svg ")
        assert len(data) > 1500
        assert b"http" not in data.replace(b"http://www.w3.org", b"")
