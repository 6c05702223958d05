"""The page of an edit: numbers, charts, and texts that must not become anything else."""

import pandas as pd
import pytest
import torch

from factneurons.editing.description import Description
from factneurons.editing.evaluation import EditEvaluation, effects_of
from factneurons.editing.measuring import COLUMNS
from factneurons.editing.types import Edit
from factneurons.models.types import Neuron
from factneurons.report.drawing import draw
from factneurons.report.sections.edits import edit_figures, write_edit_page
from factneurons.report.text import edit_effect

HOSTILE = "</script><script>alert(1)</script>"


def rows(neurons, draw, after):
    values = [
        ("edit", "new", "f", "en", "Spain", f"{HOSTILE} ___", "Paris", 1, -7.0, -0.1, 9, after, "Madrid", "Paris"),
        ("edit", "old", "f", "en", "Spain", f"{HOSTILE} ___", "Madrid", 1, -0.1, -7.0, 1, 2, "Madrid", "Paris"),
        ("neighbours", "old", "g", "en", "Italy", "of Italy ___", "Rome", 1, -0.1, -0.2, 1, 1, "Rome", "Rome"),
        ("neighbours", "old", "h", "en", "Peru", "of Peru ___", "Lima", 1, -0.1, -2.0, 1, 3, "Lima", "Rome"),
    ]
    table = pd.DataFrame(values, columns=list(COLUMNS[:-2])).assign(written_before="x", written_after=HOSTILE)
    table.insert(0, "neurons", neurons)
    table.insert(1, "draw", draw)
    return table


@pytest.fixture
def tried():
    about = Description(
        kind="least-change", relation="capital", facts=("f",), subject=HOSTILE, old={"en": "Madrid"},
        new={"en": "Paris"}, neurons_from="amig", prompts=("p ___",), settings={}, notes=(), model="m",
        model_hash="ab" * 32, dtype="float32",
    )  # fmt: skip
    edit = Edit((Neuron(1, 2), Neuron(3, 4)), torch.ones(2, 4), torch.zeros(2, 4), about)
    table = pd.concat([rows("found", 0, 1), rows("random", 1, 6)], ignore_index=True)
    return EditEvaluation(edit, table, (1.0, 2.5), ("a note",))


def test_page(tried, tmp_path):
    path = write_edit_page(tmp_path / "edit.html", tried, effects_of(tried.table))
    page = path.read_text()
    assert "alert(1)</script>" not in page
    assert "a note" in page
    assert "250.0%" in page  # the size of the random neurons' edit
    assert "L1.2, L3.4" in page
    assert "Madrid</bdi> → <bdi>Paris" in page
    again = write_edit_page(tmp_path / "again.html", tried, effects_of(tried.table)).read_text()
    assert again == page


def test_effects_in_words(tried):
    lines = {(line.group, line.measure.name): edit_effect(line) for line in effects_of(tried.table)}
    assert lines["edit", "success rate"] == ("0.0%", "100.0%", "", "0.0%")
    before, after, interval, random = lines["neighbours", "change rate"]
    assert (before, after, random) == ("0.0%", "50.0%", "50.0%")
    assert interval.startswith("[0.0%")


def test_figures_can_be_drawn(tried):
    figures = edit_figures(tried.edit, effects_of(tried.table))
    assert [figure.name for figure in figures] == ["edit_success_rate", "edit_old_answer_first", "edit_neurons"]
    for figure in figures:
        assert draw(figure, "png").startswith(b"\x89PNG")
    assert figures[-1].rows == (("1.2", "2.00", "2.00"), ("3.4", "2.00", "2.00"))


def test_its_page_has_no_barrier(tried, audit, tmp_path):
    audit(write_edit_page(tmp_path / "edit.html", tried, effects_of(tried.table)))
