"""The charts of an experiment; `tests/cli/test_experiment.py` looks at the whole page."""

from types import SimpleNamespace

import pytest

from factneurons.errors import BadSetting
from factneurons.experiments.suite import EXPERIMENTS
from factneurons.experiments.verdicts import Cell
from factneurons.report.drawing import draw
from factneurons.report.page import run_report
from factneurons.report.sections import experiments
from factneurons.report.sections.experiments import experiment_figures
from factneurons.runs.store import Run
from factneurons.statistics import Interval

INTERVAL = Interval(0.5, 0.4, 0.6, 9, 9, 0, 0.95)


def cells(experiment, places=("",)):
    return [
        Cell(measure, condition, place, "en", INTERVAL)
        for measure in experiment.measures
        for place in places
        for condition in ("amig", "random for amig")
    ]


@pytest.mark.parametrize("name", list(EXPERIMENTS))
def test_every_chart_of_every_experiment_can_be_drawn(name):
    experiment = EXPERIMENTS[name]
    figures = experiment_figures(experiment, cells(experiment, places=("0", "1")))
    assert len({figure.name for figure in figures}) == len(figures)
    for figure in figures:
        assert figure.title.endswith(", en")
        assert "amig" in draw(figure, "svg").decode()
        assert all(row[3] == "0.500" for row in figure.rows)


def test_without_numbers_there_is_no_chart():
    assert experiment_figures(EXPERIMENTS["E1"], []) == []


def test_experiments_get_their_page_and_no_other(tmp_path, monkeypatch):
    run = Run(tmp_path, SimpleNamespace(stages={"e1": None}), None, [])
    monkeypatch.setattr(experiments, "write_experiments", lambda run, figures: [run.folder / experiments.PAGE])
    assert run_report(run) == tmp_path / "experiments.html"
    with pytest.raises(BadSetting, match="leave out --out"):
        run_report(run, out=tmp_path / "x.html")
