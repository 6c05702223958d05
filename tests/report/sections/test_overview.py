"""What the report says of acquisition and of what components carry: the numbers of the tables, nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from factneurons.degeneracy.types import STORAGE
from factneurons.findings.acquisition import KINDS
from factneurons.report.drawing import page_specification
from factneurons.report.figures import MOST_GROUPS, acquisition
from factneurons.report.page import run_report
from factneurons.report.reading import findings_in, read
from factneurons.report.sections.facts import sections_of
from factneurons.report.sections.overview import sentences_of
from factneurons.runs.store import Run
from factneurons.statistics import Finding, Interval


@pytest.fixture(scope="module")
def run(whole_run):
    return Run.open(whole_run)


@pytest.fixture(scope="module")
def findings(run):
    return findings_in(read(run, 30))


def acquisition_figures(findings):
    return [figure for which in KINDS if (figure := acquisition(findings, which)) is not None]


def loss(groups, suppressed):
    under = {"which": "components", "groups": groups, "suppressed": suppressed}
    return Finding("loss", Interval(0.1, 0.0, 0.2, 9, 9, 0, 0.95), under)


def points(figure):
    rows = page_specification(figure)["datasets"].values()
    return [row for each in rows for row in each if "drop" in row]


def test_one_chart_of_components_and_one_of_candidates(run, findings):
    figures = {figure.name: figure for figure in acquisition_figures(findings)}
    assert list(figures) == ["acquisition_components", "acquisition_candidates"]
    table = run.table("acquisition")
    for name, count in (("components", 2), ("candidates", 3)):
        drawn = points(figures[f"acquisition_{name}"])
        assert {(row["groups"], row["suppressed"]) for row in drawn} == {(count, k) for k in range(1, count + 1)}
        assert {row["kind"] for row in drawn} == {row[2] for row in figures[f"acquisition_{name}"].rows}
        for row in drawn:
            which = f"random for {name}" if row["kind"].startswith("random") else name
            own = table[(table["which"] == which) & (table["k"] == row["suppressed"])]
            assert row["drop"] == pytest.approx(own["mean_drop"].mean())
            assert row["low"] <= row["drop"] <= row["high"]
            assert row["facts"] == len(own)


def test_panels_stand_apart_and_are_named(findings):
    losses = [loss(groups, k) for groups in (2, 3, MOST_GROUPS + 1) for k in range(1, groups + 1)]
    (figure,) = acquisition_figures(replace(findings, losses=tuple(losses)))
    specification = page_specification(figure)
    assert {row["groups"] for row in points(figure)} == {2, 3}
    assert "more than 7 groups" in figure.caption
    assert len(figure.rows) == 2 + 3 + MOST_GROUPS + 1, "what is not drawn is in the table"
    names = [row["name"] for rows in specification["datasets"].values() for row in rows if "name" in row]
    assert names == ["of 2", "of 3"]
    (domain,) = {
        tuple(layer["encoding"]["x"]["scale"]["domain"]) for layer in specification["layer"] if "encoding" in layer
    }
    assert domain == ("2|1", "2|2", "2|", "3|1", "3|2", "3|3")


def test_no_chart_of_too_many_groups_or_of_none(findings):
    many = loss(MOST_GROUPS + 1, 1)
    assert list(acquisition_figures(replace(findings, losses=(many,)))) == []
    assert list(acquisition_figures(replace(findings, losses=()))) == []


def test_counts_of_groupings_and_verdicts(run, findings):
    table = run.table("degenerate")
    found = findings.degeneracy
    assert found.distinct == (table["grouping"] == "distinct").sum() > 0
    assert found.undecided == (table["grouping"] == "undecided").sum() > 0
    assert found.having > found.distinct + found.undecided
    assert found.storage == {name: (table["storage"] == name).sum() for name in STORAGE}
    assert sum(found.storage.values()) == len(table)
    assert findings.carried.value == pytest.approx(0.35)
    assert findings.carried.control.estimate == pytest.approx(0.05)


def test_sentences_tell_all_of_it(findings):
    said = " ".join(sentences_of(findings))
    found = findings.degeneracy
    assert f"In <strong>{found.distinct}</strong> of these the groups are distinct components" in said
    assert f"{found.undecided} are undecided" in said
    assert "Do these groups have work of their own?" in said
    summary = next(each for each in findings.acquisition if each.which == "components")
    assert f"{-100 * summary.findings['proper'].value:.1f}%".replace("-", "\N{MINUS SIGN}") in said


def test_the_page_shows_what_components_carry(whole_run, tmp_path, parsed):
    page = parsed(run_report(whole_run, out=tmp_path / "page.html"))
    assert "What is lost as groups of neurons are suppressed" in page.text
    assert "Other facts it changes" in page.text
    assert "What suppressing a component does to 20 other facts" in page.text
    assert "How facts are stored" in page.text
    assert all(meaning in page.text for meaning in STORAGE.values())


def test_a_run_from_before_has_neither(make_run, invented_facts, tmp_path):
    folder = make_run(tmp_path / "run", facts=invented_facts[:4], stages=("locate",))
    found = findings_in(read(Run.open(folder), 4))
    assert (found.acquisition, found.losses, found.carried) == ((), (), None)
    assert list(acquisition_figures(found)) == []
    assert not any("work of their own" in sentence for sentence in sentences_of(found))


def test_a_component_without_a_tree_has_no_birth(run):
    """Clusterers other than topology clustering have no distances of birth and death."""
    reading = read(run, 30)
    for rows in reading.rows["components"].values():
        for row in rows:
            row["birth"] = row["death"] = None
    components = [each for section in sections_of(reading) for each in section.components]
    assert components
    assert {(each.birth, each.death) for each in components} == {(None, None)}
