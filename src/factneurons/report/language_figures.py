"""The charts of languages: where each one's neurons are, which neurons they share, and what these do in each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import altair as alt

from factneurons.report import numbers
from factneurons.report.figures import BLUE, GREEN, GREY, NAMES_ABOVE_ROWS, ORANGE, Figure, chart_of, colors, finite
from factneurons.report.languages import SHARED, Told

PALETTE = (BLUE, ORANGE, GREEN, "#b5589b", "#7a6ff0", "#b08d2b", "#5aa9c9", "#c44e52")
_MOST_NAMED = 3
"""With more languages, their combinations are too many for a legend: only how many hold a neuron is shown."""

_CHANCE = "by chance, mean"
_FOUND = "found, mean"


def language_figures(told: Told) -> Iterator[Figure]:
    """The charts there are numbers for."""
    if told.held:
        yield by_layer(told)
        yield held_by(told)
    yield sizes(told)
    for action in ("suppress", "enhance"):
        if any(each.action == action and each.prompts == "related" for each in told.effects):
            yield effects(told, action)


def by_layer(told: Told) -> Figure:
    """The layers of each language's neurons, and of those they share."""
    counts: dict[str, Counter[int]] = {name: Counter() for name in told.names.values()}
    for (layer, held), count in told.held.items():
        for language in held:
            counts[told.names[language]][layer] += count
    counts[SHARED] = Counter(told.shared_by_layer)
    counts = {name: own for name, own in counts.items() if own.total()}
    data = [
        {"layer": layer, "kind": name, "share": own[layer] / own.total(), "count": own[layer]}
        for name, own in counts.items()
        for layer in range(told.layers)
    ]
    shades = [GREY if name == SHARED else PALETTE[place % len(PALETTE)] for place, name in enumerate(counts)]
    chart = (
        chart_of(data)
        .mark_bar()
        .encode(
            x=alt.X("layer:O", title="layer", axis=alt.Axis(labelAngle=0, labelOverlap=True)),
            xOffset=alt.XOffset("kind:N", sort=list(counts)),
            y=alt.Y("share:Q", title="share of the neurons", axis=alt.Axis(format="%")),
            color=colors("kind", list(counts), shades),
            tooltip=[
                alt.Tooltip("kind:N", title="neurons"),
                alt.Tooltip("layer:O"),
                alt.Tooltip("count:Q", title="how many", format=","),
                alt.Tooltip("share:Q", format=".1%"),
            ],
        )
        .properties(height=260)
    )
    rows = tuple(
        (str(layer), *(f"{numbers.count(c[layer])} ({numbers.percent(c[layer] / c.total())})" for c in counts.values()))
        for layer in range(told.layers)
    )
    caption = "The facts of each language, and their language-independent neurons: the share of each layer."
    return Figure("languages_by_layer", "Layers by language", caption, chart, ("layer", *counts), rows)


def held_by(told: Told) -> Figure:
    """Which languages hold the neurons of every layer."""
    kinds: Counter[str] = Counter()
    cells: Counter[tuple[int, str]] = Counter()
    for (layer, held), count in told.held.items():
        kind = _holders(told, held)
        kinds[kind] += count
        cells[layer, kind] += count
    order = sorted(kinds, key=lambda kind: (kind.count(","), kind))
    data = [
        {"layer": layer, "kind": kind, "count": cells[layer, kind], "place": order.index(kind)}
        for layer in range(told.layers)
        for kind in order
    ]
    chart = (
        chart_of(data)
        .mark_bar()
        .encode(
            x=alt.X("layer:O", title="layer", axis=alt.Axis(labelAngle=0, labelOverlap=True)),
            y=alt.Y("count:Q", title="neurons, over all facts", axis=alt.Axis(format=",d", tickMinStep=1)),
            color=colors("kind", order, [PALETTE[place % len(PALETTE)] for place in range(len(order))]),
            order=alt.Order("place:Q"),
            tooltip=[
                alt.Tooltip("kind:N", title="neurons of"),
                alt.Tooltip("layer:O"),
                alt.Tooltip("count:Q", format=","),
            ],
        )
        .properties(height=240)
    )
    rows = tuple((str(layer), *(numbers.count(cells[layer, kind]) for kind in order)) for layer in range(told.layers))
    caption = "Every fact's neurons, by the languages in which they are knowledge neurons of the fact."
    return Figure("languages_held", "Which neurons speak which language", caption, chart, ("layer", *order), rows)


def _holders(told: Told, languages: Sequence[str]) -> str:
    if len(told.names) > _MOST_NAMED or not languages:
        return f"{len(languages)} of {len(told.names)} languages"
    names = ", ".join(told.names[language] for language in languages)
    return names if len(languages) > 1 else f"{names} only"


def sizes(told: Told) -> Figure:
    """How many language-independent neurons facts have, and how many there would be by chance."""
    counts = Counter(told.sizes)
    data = [{"size": size, "facts": counts[size]} for size in range(max(told.sizes) + 1)]
    means = [
        {"kind": _FOUND, "mean": told.shared.size.estimate},
        {"kind": _CHANCE, "mean": told.shared.expected.estimate},
    ]
    axis = alt.Axis(tickMinStep=1, format="d")
    scale = alt.Scale(domain=[-0.5, max(told.sizes) + 0.5], nice=False)
    bars = chart_of([{**row, "low": row["size"] - 0.5, "high": row["size"] + 0.5} for row in data])
    chart = alt.layer(
        bars.mark_bar(color=BLUE, opacity=0.4, binSpacing=1).encode(
            x=alt.X("low:Q", bin="binned", title="language-independent neurons", axis=axis, scale=scale),
            x2="high:Q",
            y=alt.Y("facts:Q", title="facts", axis=alt.Axis(tickMinStep=1, format=",d")),
            tooltip=[alt.Tooltip("size:Q", title="neurons"), alt.Tooltip("facts:Q", format=",")],
        ),
        chart_of(means)
        .mark_rule(strokeWidth=3)
        .encode(x="mean:Q", color=colors("kind", [_FOUND, _CHANCE], [BLUE, ORANGE])),
    ).properties(height=220)
    rows = tuple((str(row["size"]), numbers.count(row["facts"])) for row in data if row["facts"])
    caption = (
        f"Found {numbers.plain(told.shared.size.estimate)} per fact {numbers.plain_range(told.shared.size)};"
        f" random neurons of the same layers would give {numbers.plain(told.shared.expected.estimate)}."
    )
    columns = ("language-independent neurons", "facts")
    return Figure("languages_sizes", "Language-independent neurons per fact", caption, chart, columns, rows)


def effects(told: Told, action: str) -> Figure:
    """What suppressing or enhancing each set does while facts are asked in each language."""
    own = [each for each in told.effects if each.action == action and each.prompts == "related"]
    kinds = ["found", "random neurons, matched"]
    data, rows, labels = [], [], list[str]()
    for each in own:
        whose = f"{told.names[each.neurons_of]} neurons" if each.neurons_of else f"{SHARED} neurons"
        label = f"asked in {told.names[each.asked]}: {whose}"
        labels.append(label)
        for kind, interval in zip(kinds, (each.found, each.random), strict=True):
            data.append(
                {
                    "place": label,
                    "kind": kind,
                    "change": interval.estimate,
                    "low": finite(interval.low),
                    "high": finite(interval.high),
                    "facts": interval.n,
                }
            )
        found, random = (
            f"{numbers.change(each.estimate)} {numbers.change_range(each)}" for each in (each.found, each.random)
        )
        rows.append((told.names[each.asked], whose, found, random, numbers.count(each.found.n)))
    base = chart_of(data).encode(
        y=alt.Y("place:N", title=None, sort=labels, axis=NAMES_ABOVE_ROWS, scale=alt.Scale(paddingInner=0.45)),
        yOffset=alt.YOffset("kind:N", sort=kinds),
        color=colors("kind", kinds, [BLUE, GREY]),
    )
    change = alt.X(
        "change:Q",
        title="mean relative change of P(answer)",
        axis=alt.Axis(format="+.0%", grid=False, tickCount=7, labelExpr="datum.value === 0 ? '0%' : datum.label"),
        scale=alt.Scale(padding=14),
    )
    tooltip = [
        alt.Tooltip("place:N", title="neurons"),
        alt.Tooltip("kind:N", title="which"),
        alt.Tooltip("change:Q", format="+.1%"),
        alt.Tooltip("low:Q", title="95% interval, low", format="+.1%"),
        alt.Tooltip("high:Q", title="high", format="+.1%"),
        alt.Tooltip("facts:Q", format=","),
    ]
    zero = alt.Chart(alt.InlineData(values=[{"zero": 0}])).mark_rule(strokeDash=[4, 3], color=GREY).encode(x="zero:Q")
    chart = alt.layer(
        zero,
        base.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=2).encode(x="low:Q", x2="high:Q"),
        base.mark_point(filled=True, size=80, opacity=1).encode(x=change, tooltip=tooltip),
    ).properties(height=62 * len(labels))
    verb = {"suppress": "Suppressing neurons, by language", "enhance": "Enhancing neurons, by language"}[action]
    what = {"suppress": "set to 0", "enhance": "doubled"}[action]
    caption = (
        f"Values {what} while a fact is asked in one language. Points: mean over facts; lines: 95% bootstrap interval,"
        " subjects resampled. The random neurons are of the same layers and strength."
    )
    columns = ("asked in", "neurons", "change of P(answer)", "random neurons", "facts")
    return Figure(f"languages_{action}", verb, caption, chart, columns, tuple(rows))
