"""From charts to what is shown: the specification that the page embeds, and PNG and SVG files."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path
from typing import Any

import altair as alt
import vl_convert

from factneurons.errors import BadSetting, FactneuronsError
from factneurons.report.charts import AnyChart, Figure

FORMATS = ("png", "svg")
"""What figures can be written as."""

FONT = 'system-ui, -apple-system, "Segoe UI", "Noto Sans", "Noto Sans CJK SC", sans-serif'
_FILE_FONT = "sans-serif"
_FILE_WIDTH = 640
_AXIS_ROOM, _ROW_ROOM, _LEGEND_ROOM, _LEGEND_LINE = 52, 44, 12, 16
"""Pixels that an axis with its title takes, the name of a row, and a legend."""
_PIXELS = 2.0
"""Pixels of a PNG per unit of the chart."""


def page_specification(figure: Figure) -> dict[str, Any]:
    """The chart as Vega-Lite, as wide as what holds it; its text takes the page's colour, light or dark.

    Charts in rows have no width: Vega-Lite fits single charts only, and charts.js gives them theirs.
    """
    specification = figure.chart.to_dict()
    if "row" not in specification.get("encoding", {}):
        specification["width"] = "container"
    return {**_without_schema(specification), "description": figure.title, "config": _config("currentColor", FONT)}


def room(chart: AnyChart) -> int:
    """About how high a chart will be with its legend and its axis, to keep the room until it is drawn, in pixels."""
    whole = chart.to_dict()
    parts = [whole, *whole.get("layer", ())]
    height = next((float(each["height"]) for each in parts if isinstance(each.get("height"), int | float)), 200.0)
    encodings = [each.get("encoding", {}) for each in parts]
    names = next((each["row"].get("sort") for each in encodings if "row" in each), None)
    if isinstance(names, list):
        height = (height + _ROW_ROOM) * len(names)
    color: dict[str, Any] = next((each["color"] for each in encodings if "field" in each.get("color", {})), {})
    legend, entries = color.get("legend"), len(color.get("scale", {}).get("domain", ()))
    if legend and entries:
        height += _LEGEND_ROOM + _LEGEND_LINE * (entries if legend.get("columns") == 1 else 1)
    return round(height + _AXIS_ROOM)


def check_formats(formats: Sequence[str]) -> None:
    """Refuse an unknown format.

    Raises:
        BadSetting: the message lists those there are.
    """
    for name in formats:
        if name not in FORMATS:
            raise BadSetting(f"figures cannot be written as {name!r}; they can as: {', '.join(FORMATS)}")


def draw(figure: Figure, format: str) -> bytes:
    """The chart as a file: no browser and no network.

    Raises:
        FactneuronsError: it cannot be drawn.
    """
    specification = figure.chart.properties(width=_FILE_WIDTH, title=figure.title).to_dict()
    specification["config"] = {**_config("#222222", _FILE_FONT), "background": "white", "padding": 12}
    version = vegalite_version()
    try:
        if format == "svg":
            return vl_convert.vegalite_to_svg(specification, vl_version=version).encode()
        return vl_convert.vegalite_to_png(specification, vl_version=version, scale=_PIXELS)
    except ValueError as error:
        raise FactneuronsError(f"figure {figure.name!r} cannot be drawn: {str(error).splitlines()[0]}") from error


@cache
def vegalite_version() -> str:
    """The version of Vega-Lite that altair writes for, as vl_convert names it."""
    return ".".join(alt.SCHEMA_VERSION.lstrip("v").split(".")[:2])


def runtime() -> str:
    """The JavaScript that draws Vega-Lite charts, in one text without any address to load from."""
    return prepared_runtime().result()


@cache
def prepared_runtime() -> Future[str]:
    """The same, being made beside whatever else goes on: it takes a second, and a page needs it last."""
    bundle = partial(vl_convert.javascript_bundle, "window.vegaEmbed = vegaEmbed;", vl_version=vegalite_version())
    beside = ThreadPoolExecutor(1)
    made: Future[str] = beside.submit(bundle)
    beside.shutdown(wait=False)
    return made


def figure_path(folder: Path, figure: Figure, format: str) -> Path:
    """Where a figure's file goes; no name in it comes from the data."""
    return folder / f"{figure.name}.{format}"


def _without_schema(specification: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in specification.items() if name not in ("$schema", "config")}


def _config(color: str, font: str) -> dict[str, Any]:
    return {
        "background": "transparent",
        "font": font,
        "view": {"stroke": None},
        "axis": {
            "labelColor": color,
            "titleColor": color,
            "domainColor": color,
            "tickColor": color,
            "gridColor": color,
            "domainOpacity": 0.35,
            "tickOpacity": 0.35,
            "gridOpacity": 0.12,
            "labelFontSize": 12,
            "titleFontSize": 12,
            "titleFontWeight": "normal",
            "titlePadding": 10,
        },
        "legend": {
            "orient": "top",
            "direction": "horizontal",
            "labelColor": color,
            "titleColor": color,
            "labelFontSize": 12,
            "labelLimit": 320,
            "symbolOpacity": 1,
        },
        "header": {"labelColor": color, "titleColor": color, "labelFontSize": 12},
        "text": {"color": color},
        "title": {"color": color, "fontSize": 15, "anchor": "start", "offset": 12, "fontWeight": 600},
    }
