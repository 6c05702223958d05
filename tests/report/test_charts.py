"""The builders: what is in the chart they make."""

import math

import altair as alt
import pytest

from factneurons.report import charts
from factneurons.statistics import Interval

DATA = [
    {"row": "a", "series": "x", "value": 0.5, "low": 0.4, "high": 0.6},
    {"row": "b", "series": "y", "value": 0.2, "low": None, "high": None},
]
SERIES = ("series", ["x", "y"], [charts.BLUE, charts.ORANGE])
TOOLTIP = [alt.Tooltip("row:N")]


def marks(chart):
    return [each["mark"]["type"] for each in chart.to_dict()["layer"]]


def test_points_have_intervals_and_a_line_at_0_where_asked():
    options = {"row": ("row", ["a", "b"]), "series": SERIES, "x": alt.X("value:Q"), "tooltip": TOOLTIP, "height": 50}
    assert marks(charts.points(DATA, **options)) == ["rule", "point"]
    with_zero = charts.points(DATA, **options, zero=(4, 3), shapes=("circle", "diamond"))
    assert marks(with_zero) == ["rule", "rule", "point"]
    assert with_zero.to_dict()["layer"][2]["encoding"]["shape"]["scale"]["range"] == ["circle", "diamond"]


def test_bars_stand_beside_each_other_or_on_top():
    options = {"x": alt.X("row:N"), "y": alt.Y("value:Q"), "series": SERIES, "tooltip": TOOLTIP, "height": 50}
    assert "xOffset" in charts.bars(DATA, **options).to_dict()["encoding"]
    stacked = charts.bars(DATA, **options, stacked_by="value").to_dict()["encoding"]
    assert "order" in stacked
    assert "xOffset" not in stacked


def test_curves_are_lines_through_points_with_intervals():
    chart = charts.curves(
        DATA, x=alt.X("row:N"), y=alt.Y("value:Q"), color=charts.colors(*SERIES), tooltip=TOOLTIP, detail=["row:N"]
    )
    assert marks(chart) == ["rule", "line", "point"]


def test_a_histogram_reaches_from_low_to_high():
    encoding = charts.histogram(DATA, x=alt.X("low:Q"), y=alt.Y("value:Q"), tooltip=TOOLTIP).to_dict()["encoding"]
    assert encoding["x2"]["field"] == "high"
    assert "color" not in encoding


def test_a_matrix_has_a_box_and_a_text_per_cell():
    cells = {("a", "x"): (0.9, "9"), ("a", "y"): (0.1, "1")}
    chart = charts.matrix(
        cells, down=["a"], across=["x", "y"], heads=("down", "across"), title=None, axis=alt.Axis(), height=30
    )
    assert marks(chart) == ["rect", "text"]
    (rows,) = chart.to_dict()["datasets"].values()
    assert [row["text"] for row in rows] == ["9", "1"]


@pytest.mark.parametrize(("low", "drawn"), [(0.1, 0.1), (-math.inf, None)])
def test_an_infinite_end_is_no_end(low, drawn):
    fields = charts.with_interval("value", Interval(0.5, low, 0.9, 7, 7, 0, 0.95))
    assert (fields["value"], fields["low"], fields["high"], fields["facts"]) == (0.5, drawn, 0.9, 7)


def test_a_legend_of_long_names_stands_in_one_column():
    def columns(names):
        return charts.colors("field", names, [charts.BLUE] * 2).to_dict()["legend"]["columns"]

    assert columns(["short", "names"]) == 2
    assert columns(["a very long name of one thing", "and of another"]) == 1
