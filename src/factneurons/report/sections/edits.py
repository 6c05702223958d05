"""The page of one edit: before and after, with the same edit of random neurons beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import altair as alt
import numpy as np
import pandas as pd

from factneurons.editing.measuring import FOUND
from factneurons.report import numbers
from factneurons.report.charts import BLUE, GREY, ORANGE, Figure, bars, finite, points
from factneurons.report.html import environment, render, write_page
from factneurons.report.text import edit_effect
from factneurons.statistics import Interval

if TYPE_CHECKING:
    from factneurons.editing.evaluation import EditEffect, EditEvaluation
    from factneurons.editing.types import Edit

PAGE = "edit.html"

_STATES = ("before", "after the edit", "the same edit of random neurons")
_DRAWN = {"success rate": "Where the new answer comes first", "old answer first": "Where the old answer comes first"}
_PROMPTS = ("edit", "paraphrases", "negated", "other languages", "reverse", "synonyms")
_LISTED = 60
_POINT = 25
_LETTERS = 160
_TICKS = [0, 0.25, 0.5, 0.75, 1]


@dataclass(frozen=True, slots=True)
class Prompted:
    """What one prompt says before and after.

    Attributes:
        group: why it is asked.
        prompt: the text.
        before, after: the model's top prediction.
        new, old: P before and after of the new and of the old answer; None where it was not asked.
    """

    group: str
    prompt: str
    language: str
    before: str
    after: str
    new: tuple[float, float] | None
    old: tuple[float, float] | None


def write_edit_page(path: Path, evaluation: EditEvaluation, lines: Sequence[EditEffect]) -> Path:
    """Write the page as one self-contained HTML file.

    Raises:
        BadRun: it cannot be written.
    """
    figures = edit_figures(evaluation.edit, lines)
    html = render(
        environment(),
        "edit.html.j2",
        figures,
        about=evaluation.edit.description,
        edit=evaluation.edit,
        notes=evaluation.notes,
        random_size=evaluation.random_size,
        random_draws=len(evaluation.sizes) - 1,
        lines=[(line, *edit_effect(line)) for line in lines],
        prompts=list(_prompts(evaluation.table)),
        figures=figures,
    )
    write_page(path, html)
    return path


def edit_figures(edit: Edit, lines: Sequence[EditEffect]) -> list[Figure]:
    """What comes first before and after, and how much each neuron changes."""
    drawn = [
        _answers(name, title, [line for line in lines if line.measure.name == name]) for name, title in _DRAWN.items()
    ]
    return [*(figure for figure in drawn if figure is not None), _neurons(edit)]


def _answers(name: str, title: str, lines: Sequence[EditEffect]) -> Figure | None:
    """One measure of every group of prompts: before, after, and after random neurons' edit."""
    if not lines:
        return None
    data = [datum for line in lines for datum in _data(line)]
    states = [state for state in _STATES if any(each["state"] == state for each in data)]
    scale = alt.Scale(domain=[0, 1], padding=10)
    layers = points(
        data,
        row=("group", [line.group for line in lines]),
        series=("state", states, [GREY, BLUE, ORANGE]),
        x=alt.X("value:Q", title="share of prompts", axis=alt.Axis(format=".0%", values=_TICKS), scale=scale),
        tooltip=[
            alt.Tooltip("group:N", title="prompts"),
            alt.Tooltip("state:N", title="model"),
            alt.Tooltip("value:Q", title="share", format=".0%"),
        ],
        height=_POINT * len(lines) * len(states),
        axis=alt.Axis(labelLimit=_LETTERS),
        size=70,
    )
    rows = tuple((line.group, *edit_effect(line)) for line in lines)
    caption = "Lines: 95% bootstrap intervals, facts resampled; prompts where there is one fact."
    columns = ("prompts", "before", "after", "95% interval", "random neurons")
    return Figure(f"edit_{name.replace(' ', '_')}", title, caption, layers, columns, rows)


def _data(line: EditEffect) -> Iterator[dict[str, object]]:
    states: list[tuple[str, float, Interval | None]] = [
        (_STATES[0], line.before, None),
        (_STATES[1], line.found.estimate, line.found),
    ]
    if line.random is not None:
        states.append((_STATES[2], line.random.estimate, line.random))
    for state, value, interval in states:
        yield {
            "group": line.group,
            "state": state,
            "value": value,
            "low": None if interval is None else finite(interval.low),
            "high": None if interval is None else finite(interval.high),
        }


def _neurons(edit: Edit) -> Figure:
    """How long each neuron's out-weights are, and how much of them the edit changes."""
    before = edit.old.double().norm(dim=1)
    change = (edit.new.double() - edit.old.double()).norm(dim=1)
    names = [f"{neuron.layer}.{neuron.index}" for neuron in edit.neurons]
    data = [
        {"neuron": name, "kind": kind, "length": float(length)}
        for kind, lengths in (("before", before), ("change", change))
        for name, length in zip(names, lengths, strict=True)
    ]
    chart = bars(
        data,
        x=alt.X("neuron:N", title="neuron (layer.index)", sort=names, axis=alt.Axis(labelAngle=-45)),
        y=alt.Y("length:Q", title="length of the out-weights"),
        series=("kind", ["before", "change"], [GREY, BLUE]),
        tooltip=[alt.Tooltip("neuron:N"), alt.Tooltip("kind:N"), alt.Tooltip("length:Q", format=".3")],
        height=220,
    )
    rows = tuple(
        (name, numbers.plain(float(old)), numbers.plain(float(new)))
        for name, old, new in zip(names, before, change, strict=True)
    )
    caption = "What one unit of each neuron writes to the residual stream: its length before, and that of the change."
    return Figure("edit_neurons", "What changes", caption, chart, ("neuron", "before", "change"), rows)


def _prompts(table: pd.DataFrame) -> Iterator[Prompted]:
    """The first prompts about the fact itself."""
    own = table[(table["neurons"] == FOUND) & table["group"].isin(_PROMPTS)]
    for (group, prompt), rows in list(own.groupby(["group", "prompt"], sort=False))[:_LISTED]:
        first = rows.iloc[0]
        yield Prompted(
            str(group),
            str(prompt),
            str(first["language"]),
            str(first["prediction_before"]),
            str(first["prediction_after"]),
            _pair(rows[rows["role"] == "new"]),
            _pair(rows[rows["role"] == "old"]),
        )


def _pair(rows: pd.DataFrame) -> tuple[float, float] | None:
    if rows.empty:
        return None
    before, after = np.exp(rows[["log_probability_before", "log_probability_after"]].iloc[0].to_numpy(dtype=float))
    return float(before), float(after)
