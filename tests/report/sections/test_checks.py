"""What the section on fact-checking says, from rows of scores; `tests/cli/test_check.py` looks at the whole page."""

import numpy as np
import pandas as pd
import pytest

from factneurons.findings.checks import results_of
from factneurons.report import drawing
from factneurons.report.sections.checks import CheckSection, check_figures, mean_roc


def rows(condition, right, wrong, draws=1):
    return [
        {
            "fact_id": f"f{number}",
            "language": "en",
            "relation": "r",
            "subject": f"s{number}",
            "split": "train" if number % 4 else "test",
            "known": True,
            "apart": True,
            "prompt": "p ___",
            "candidate": "c",
            "truth": truth,
            "condition": condition,
            "draw": draw,
            "score": right if truth else wrong,
            "speakers": [],
        }
        for number in range(16)
        for draw in range(draws)
        for truth in (True, False)
    ]


@pytest.fixture(scope="module")
def results():
    table = [*rows("knowledge", 0.9, 0.1), *rows("random", 0.5, 0.5, draws=2), *rows("asking", 0.0, 1.0)]
    return results_of(pd.DataFrame(table), draws=10)


def test_curves_of_perfect_useless_and_reversed_scores(results):
    perfect, useless, backwards = (mean_roc(each.judged) for each in results)
    assert perfect.tolist() == [1.0] * 51
    assert useless == pytest.approx(np.linspace(0, 1, 51))
    assert backwards.tolist() == [0.0] * 50 + [1.0]


def test_charts_can_be_drawn_and_name_every_condition(results):
    checks = CheckSection({"Facts that the model knows": results}, {}, [], "", [])
    figures = list(check_figures(checks))
    assert [figure.name for figure in figures] == ["check_roc", "check_calibration", "check_scores"]
    for figure in figures:
        image = drawing.draw(figure, "svg").decode()
        for each in results:
            assert each.title in image
    assert [row[1] for row in figures[0].rows] == ["1.00", "0.500", "0"]


def test_no_known_facts_no_charts():
    assert list(check_figures(CheckSection({}, {}, [], "", []))) == []
