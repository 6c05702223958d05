"""From a chart to its specification and its files."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import altair as alt
import pytest

from factneurons.errors import BadSetting, FactneuronsError
from factneurons.report.charts import Figure
from factneurons.report.drawing import (
    FONT,
    FORMATS,
    check_formats,
    draw,
    figure_path,
    page_specification,
    room,
    runtime,
    vegalite_version,
)


@pytest.fixture(scope="module")
def figure():
    rows = alt.Data(values=[{"x": 1, "y": 2}, {"x": 2, "y": 1}])
    chart = alt.Chart(rows).mark_point().encode(x=alt.X("x:Q", title="how much"), y="y:Q")
    return Figure("dots", "Two dots", "A caption.", chart)


def test_the_page_decides_width_and_colour(figure):
    found = page_specification(figure)
    assert found["width"] == "container"
    assert found["description"] == "Two dots"
    assert "title" not in found  # the page has it as text
    assert "$schema" not in found  # an address, which a page without network has no use for
    assert found["config"]["font"] == FONT
    assert found["config"]["axis"]["labelColor"] == "currentColor"
    assert found["config"]["background"] == "transparent"
    assert "http" not in json.dumps(found)


def test_a_specification_leaves_the_chart_as_it_was(figure):
    before = figure.chart.to_dict()
    page_specification(figure)
    draw(figure, "svg")
    assert figure.chart.to_dict() == before


def test_svg_holds_the_title_and_what_axes_say(figure):
    image = draw(figure, "svg").decode()
    assert image.startswith("<svg")
    assert "Two dots" in image
    assert "how much" in image


def test_png_has_two_pixels_for_each_unit_of_the_svg(figure):
    image = draw(figure, "png")
    assert image.startswith(b"\x89PNG\r\n\x1a\n")
    width, _ = struct.unpack(">II", image[16:24])
    drawn = draw(figure, "svg").decode().partition('width="')[2].partition('"')[0]
    assert width == pytest.approx(2 * float(drawn), abs=2)


def test_the_same_figure_gives_the_same_file(figure):
    assert all(draw(figure, name) == draw(figure, name) for name in FORMATS)


def test_what_cannot_be_drawn_says_which_figure(figure):
    class Broken:
        def properties(self, **_):
            return self

        def to_dict(self):
            return {"mark": "no such mark", "encoding": {}}

    with pytest.raises(FactneuronsError, match="figure 'broken' cannot be drawn: ") as caught:
        draw(Figure("broken", "t", "c", Broken()), "svg")
    assert "\n" not in str(caught.value)


def test_formats():
    check_formats(FORMATS)
    check_formats(())
    with pytest.raises(BadSetting, match="figures cannot be written as 'gif'; they can as: png, svg"):
        check_formats(["png", "gif"])


def test_files_are_named_after_figures(figure):
    assert figure_path(Path("figures"), figure, "svg") == Path("figures/dots.svg")


def test_the_runtime_is_of_the_version_charts_are_written_for():
    assert alt.SCHEMA_VERSION.startswith(f"v{vegalite_version()}.")
    assert "vegaEmbed" in runtime()
    assert "</script" not in runtime()


def test_room_is_kept_for_the_axis_the_legend_and_every_row(figure):
    plain = figure.chart.properties(height=100)
    assert room(plain) == 152
    names = alt.Scale(domain=["a", "b", "c"])
    one_row = plain.encode(color=alt.Color("kind:N", scale=names, legend=alt.Legend(columns=3)))
    assert (
        room(plain)
        < room(one_row)
        < room(one_row.encode(color=alt.Color(scale=names, legend=alt.Legend(columns=1), field="kind", type="nominal")))
    )
    assert room(plain.encode(row=alt.Row("kind:N", sort=["a", "b"]))) > 200
