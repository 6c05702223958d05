"""The charts of acquisition: what is lost as more and more of a fact's groups of neurons are suppressed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import altair as alt

from factneurons.findings.overview import Findings, LossByGroups
from factneurons.report import numbers
from factneurons.report.figures import BLUE, GREY, Figure, chart_of, colors, finite

MOST_GROUPS = 7
"""Facts with more groups are in the table only, as in the figure of 'Cracking Factual Knowledge' (ACL 2025)."""

_HEIGHT = 240
_RANDOM = "random partitions of the same sizes"
_FOUND = {"components": "components", "candidates": "candidates, before the functional tests"}
_TITLES = {
    "components": "Loss as components are suppressed",
    "candidates": "Loss as candidate clusters are suppressed",
}


def acquisition_figures(findings: Findings) -> Iterator[Figure]:
    """One chart of the components and one of the candidates, where there are any; a panel per number of groups."""
    for which, name in _FOUND.items():
        kinds = {which: name, f"random for {which}": _RANDOM}
        losses = [each for each in findings.losses if each.which in kinds]
        if any(each.groups <= MOST_GROUPS for each in losses):
            yield _figure(which, kinds, losses)


def _figure(which: str, kinds: dict[str, str], losses: Sequence[LossByGroups]) -> Figure:
    drawn = [each for each in losses if each.groups <= MOST_GROUPS]
    data = [
        {
            "place": _place(each.groups, each.suppressed),
            "groups": each.groups,
            "suppressed": each.suppressed,
            "kind": kinds[each.which],
            "drop": each.drop.estimate,
            "low": finite(each.drop.low),
            "high": finite(each.drop.high),
            "facts": each.drop.n,
        }
        for each in drawn
    ]
    panels = sorted({each.groups for each in drawn})
    places = [f"{groups}|{k}" for groups in panels for k in (*range(1, groups + 1), "")]
    x = alt.X(
        "place:N",
        title="groups suppressed",
        sort=places,
        scale=alt.Scale(domain=places[:-1]),
        axis=alt.Axis(labelAngle=0, labelExpr="split(datum.label, '|')[1]", ticks=False, domain=False, titlePadding=28),
    )
    lines = chart_of(data).encode(
        x=x, color=colors("kind", list(kinds.values()), [BLUE, GREY]), detail=["kind:N", "groups:N"]
    )
    y = alt.Y("drop:Q", title="mean relative loss of P(answer)", axis=alt.Axis(format=".0%"))
    tooltip = [
        alt.Tooltip("kind:N", title="groups"),
        alt.Tooltip("suppressed:Q", title="suppressed"),
        alt.Tooltip("groups:Q", title="of"),
        alt.Tooltip("drop:Q", title="loss", format="+.1%"),
        alt.Tooltip("low:Q", title="95% interval, low", format="+.1%"),
        alt.Tooltip("high:Q", title="high", format="+.1%"),
        alt.Tooltip("facts:Q", format=","),
    ]
    names = [{"place": _place(groups, (groups + 1) // 2), "name": f"of {groups}"} for groups in panels]
    heads = chart_of(names).mark_text(dy=32, fontWeight=600, color=GREY)
    chart = alt.layer(
        lines.transform_filter("isValid(datum.low)")
        .mark_rule(strokeWidth=2, opacity=0.5)
        .encode(y="low:Q", y2="high:Q"),
        lines.mark_line(strokeWidth=2).encode(y=y),
        lines.mark_point(filled=True, size=70, opacity=1).encode(y=y, tooltip=tooltip),
        heads.encode(x=x, y=alt.value(_HEIGHT), text="name:N"),
    ).properties(height=_HEIGHT)
    rows = tuple(
        (
            str(each.groups),
            str(each.suppressed),
            kinds[each.which],
            f"{numbers.percent(each.drop.estimate)} {numbers.percent_range(each.drop)}",
            numbers.count(each.drop.n),
        )
        for each in losses
    )
    caption = (
        "One panel per number of groups that a fact has. Groups that back each other up lose nothing until the last one"
        " is suppressed. Lines up and down: 95% bootstrap intervals, subjects resampled."
    )
    if len(drawn) < len(losses):
        caption += f" Facts with more than {MOST_GROUPS} groups are in the table only."
    columns = ("groups", "suppressed", "which", "loss of P(answer)", "facts")
    return Figure(f"acquisition_{which}", _TITLES[which], caption, chart, columns, rows)


def _place(groups: int, suppressed: int) -> str:
    return f"{groups}|{suppressed}"
