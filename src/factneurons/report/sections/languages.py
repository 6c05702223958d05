"""What the report says of facts in several languages: where each one's neurons are, what they share and do in each."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import altair as alt
import pandas as pd
from markupsafe import Markup

from factneurons.attribution.settings import ACTIONS
from factneurons.findings.languages import OTHER_FACTS, Shared, held_by, language_effects, shared_of
from factneurons.findings.repairing import AMONG, Repaired
from factneurons.report import numbers
from factneurons.report.charts import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    Figure,
    bars,
    chart_of,
    colors,
    counts_axis,
    histogram,
    interval_tooltip,
    layer_axis,
    points,
    relative_change,
    with_interval,
)
from factneurons.report.figures import by_layer
from factneurons.report.text import VALUES, language_rule, not_shared, shared_verdict
from factneurons.runs.store import Run
from factneurons.statistics import Finding

SHARED = "language-independent"
_SET = ("asked", "neurons", "neurons_of", "action")
_TOP = 20
_PLAIN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,19}")
_PALETTE = (BLUE, ORANGE, GREEN, "#b5589b", "#7a6ff0", "#b08d2b", "#5aa9c9", "#c44e52")
_MOST_NAMED = 3
"""With more languages, their combinations are too many for a legend: only how many hold a neuron is shown."""

_CHANCE = "by chance, mean"
_FOUND = "found, mean"
_STRONG = Markup("<strong>{}</strong>")


@dataclass(frozen=True, slots=True)
class Polyglot:
    """A neuron and the facts it serves.

    Attributes:
        layer, index: the neuron.
        facts: language -> facts whose knowledge neuron it is.
        shared: facts for which it is language-independent.
    """

    layer: int
    index: int
    facts: dict[str, int]
    shared: int


@dataclass(frozen=True, slots=True)
class LanguageSection:
    """Everything the section shows.

    Attributes:
        names: language -> what it is called in charts; codes that are no plain words are numbered.
        shared: sizes and chance.
        rule: what makes a neuron language-independent, in words.
        cuts: language -> share of the largest score that was asked; empty: as located.
        held_out: facts that the cuts were chosen on.
        sizes: language-independent neurons of every fact.
        held: (layer, languages) -> neurons that are knowledge neurons in just these languages, over all facts.
        shared_by_layer: layer -> language-independent neurons, summed over facts.
        layers: how many layers the model has.
        effects: what changing neurons does in each language, relative to P(answer).
        logs: the same in nats, changes of log P(answer).
        polyglots: the neurons that are language-independent for most facts.
    """

    names: dict[str, str]
    shared: Shared
    rule: str
    cuts: dict[str, float]
    held_out: int
    sizes: list[int]
    held: Counter[tuple[int, tuple[str, ...]]]
    shared_by_layer: dict[int, int]
    layers: int
    effects: list[Finding]
    logs: list[Finding]
    polyglots: list[Polyglot]

    @property
    def sentences(self) -> list[Markup]:
        """What was found, in words."""
        return list(_sentences(self))

    @property
    def reasons(self) -> list[tuple[str, int]]:
        """Why facts have no language-independent neurons, and how many."""
        return [(not_shared(reason), count) for reason, count in self.shared.reasons.items()]

    def paired(self, found: Repaired) -> str:
        """What was put in the place of a fact's own neurons."""
        return AMONG[found.among]

    def rows(self) -> list[EffectRow]:
        """A row per set, action and language asked."""
        found: dict[tuple[str | int, ...], dict[str, Finding]] = {}
        for kind, effects in (("relative", self.effects), ("log", self.logs)):
            for each in effects:
                name = kind if each.under["prompts"] == "related" else f"{kind}, unrelated"
                found.setdefault(_set_of(each), {})[name] = each
        return [
            EffectRow(
                dict(zip(_SET, key, strict=True)), own.get("relative"), own.get("log"), own.get("relative, unrelated")
            )
            for key, own in found.items()
            if "relative" in own or "log" in own
        ]


@dataclass(frozen=True, slots=True)
class EffectRow:
    """What one set of neurons does, asked in one language: relative to P(answer), in nats, to other relations."""

    under: Mapping[str, str | int]
    relative: Finding | None
    log: Finding | None
    elsewhere: Finding | None


def _set_of(effect: Finding) -> tuple[str | int, ...]:
    """The language asked, the neurons and the action."""
    return tuple(effect.under[name] for name in _SET)


def languages_of(run: Run, facts: pd.DataFrame, layers: int) -> LanguageSection | None:
    """What a run says of languages; None if nothing was joined in it.

    Raises:
        BadRun: a part of the run is missing or damaged.
    """
    table = run.table("languages")
    if table.empty:
        return None
    neurons = run.table("language_neurons")
    effects = run.table("language_effects")
    settings = run.manifest.stages["languages"].settings
    shared = shared_of(table, neurons, facts)
    cuts = {str(name): float(cut) for name, cut in settings["cuts"].items()}
    by_layer = neurons.loc[neurons["shared"], "layer"].value_counts() if len(neurons) else {}
    return LanguageSection(
        names=_names(shared.languages),
        shared=shared,
        rule=language_rule(str(settings["rule"])),
        cuts=cuts if any(cuts.values()) else {},
        held_out=run.counts("languages").skipped.get("held-out", 0),
        sizes=[int(size) for size in table["size"]],
        held=held_by(neurons),
        shared_by_layer={int(str(layer)): int(count) for layer, count in by_layer.items()},
        layers=max(layers, 1 + (int(neurons["layer"].max()) if len(neurons) else 0)),
        effects=language_effects(effects, facts) if len(effects) else [],
        logs=language_effects(effects, facts, log=True) if len(effects) else [],
        polyglots=_polyglots(neurons, shared.languages),
    )


def _names(languages: Sequence[str]) -> dict[str, str]:
    """No text of a chart is a user's, but a language code that is a plain word can hardly be anything else."""
    return {
        language: language if _PLAIN_NAME.fullmatch(language) else f"language {number}"
        for number, language in enumerate(languages, start=1)
    }


def _polyglots(neurons: pd.DataFrame, languages: Sequence[str]) -> list[Polyglot]:
    facts: dict[tuple[int, int], Counter[str]] = {}
    shared: Counter[tuple[int, int]] = Counter()
    for layer, index, held, is_shared in zip(
        neurons["layer"], neurons["index"], neurons["languages"], neurons["shared"], strict=True
    ):
        key = (int(layer), int(index))
        facts.setdefault(key, Counter()).update(held)
        shared[key] += bool(is_shared)
    ordered = sorted(facts, key=lambda key: (-shared[key], -facts[key].total(), key))
    return [Polyglot(*key, {name: facts[key][name] for name in languages}, shared[key]) for key in ordered[:_TOP]]


def _sentences(section: LanguageSection) -> Iterator[Markup]:
    found = section.shared
    names = ", ".join(section.names.values())
    yield Markup(
        "{} of {} facts in {} have language-independent neurons: {}. On average {} {} per fact; random neurons of the"
        " same layers would give {} (paired test over facts: p\u00a0=\u00a0{})."
    ).format(
        _strong(numbers.count(found.having)),
        numbers.count(found.facts),
        names,
        section.rule,
        _strong(numbers.plain(found.size.value)),
        numbers.plain_range(found.size.interval),
        numbers.plain(_expected(section)),
        numbers.p_value(found.size.p_value),
    )
    for each in found.repaired:
        yield _repaired(each)
    yield Markup("{}").format(_strong(shared_verdict(found)))
    jaccard = ""
    if found.jaccard is not None:
        jaccard = (
            f" Two languages of a fact have a Jaccard index of {numbers.plain(found.jaccard.value)}"
            f" {numbers.plain_range(found.jaccard.interval)}."
        )
    yield Markup(
        "{} facts share more than random neurons would (p at most 0.05; {} would by chance), {} after Holm's"
        " correction, {} after Benjamini and Hochberg's.{}"
    ).format(
        _strong(numbers.count(found.tests.nominal)),
        numbers.half(round(found.tests.by_chance, 1)),
        _strong(numbers.count(found.tests.corrected)),
        _strong(numbers.count(found.tests.discovered)),
        jaccard,
    )
    yield from _changes(section)


def _repaired(found: Repaired) -> Markup:
    told = Markup(
        "Paired with {} in the other languages, {} facts share {}, and with their own {} (p\u00a0=\u00a0{})."
    ).format(
        OTHER_FACTS[found.among],
        numbers.count(found.size.n),
        numbers.plain(math.nan if found.size.control is None else found.size.control.estimate),
        _strong(numbers.plain(found.size.value)),
        numbers.p_value(found.size.p_value),
    )
    if not found.alone:
        return told
    return told + Markup(" {} facts have no other fact to be paired with.").format(numbers.count(found.alone))


def _changes(section: LanguageSection) -> Iterator[Markup]:
    for row in section.rows():
        if row.under["neurons"] != "shared" or row.under["action"] != "suppress":
            continue
        told, number = (row.relative, numbers.change) if row.relative else (row.log, _nats)
        if told is not None and told.control is not None:
            yield Markup(
                "Suppressing them changes {} in {} by {} {}; random neurons of the same layers and strength, by {} {}."
            ).format(
                "P(answer)" if row.relative else "log P(answer)",
                section.names[str(row.under["asked"])],
                _strong(number(told.value)),
                numbers.written_range(told.interval, number),
                number(told.control.estimate),
                numbers.written_range(told.control, number),
            )


def _nats(value: float) -> str:
    return f"{numbers.signed(value)} nats"


def _expected(section: LanguageSection) -> float:
    """Language-independent neurons per fact by chance."""
    return math.nan if section.shared.size.control is None else section.shared.size.control.estimate


def _strong(text: str) -> Markup:
    return _STRONG.format(text)


def language_figures(section: LanguageSection) -> Iterator[Figure]:
    """The charts there are numbers for."""
    drawn = [_by_layer(section), _held_by(section)] if section.held else []
    yield from (figure for figure in drawn if figure is not None)
    yield _sizes(section)
    for action in ACTIONS:
        own = [each for each in section.effects if (each.under["action"], each.under["prompts"]) == (action, "related")]
        if own:
            yield _effects(section, action, own)


def _by_layer(section: LanguageSection) -> Figure | None:
    """The layers of each language's neurons, and of those they share."""
    counts: dict[str, Counter[int]] = {name: Counter() for name in section.names.values()}
    for (layer, held), count in section.held.items():
        for language in held:
            counts[section.names[language]][layer] += count
    counts[SHARED] = Counter(section.shared_by_layer)
    drawn = [name for name, own in counts.items() if own.total()]
    shades = [GREY if name == SHARED else _PALETTE[place % len(_PALETTE)] for place, name in enumerate(drawn)]
    caption = "The facts of each language, and their language-independent neurons: the share of each layer."
    words = ("languages_by_layer", "Layers by language", caption)
    return by_layer(words, counts, section.layers, shades, "share of the neurons")


def _held_by(section: LanguageSection) -> Figure:
    """Which languages hold the neurons of every layer."""
    cells: Counter[tuple[int, str]] = Counter()
    for (layer, held), count in section.held.items():
        cells[layer, _holders(section, held)] += count
    order = sorted({kind for _, kind in cells}, key=lambda kind: (kind.count(","), kind))
    layers = range(section.layers)
    chart = bars(
        [
            {"layer": layer, "kind": kind, "count": cells[layer, kind], "place": order.index(kind)}
            for layer in layers
            for kind in order
        ],
        x=layer_axis(),
        y=alt.Y("count:Q", title="neurons, over all facts", axis=alt.Axis(format=",d", tickMinStep=1)),
        series=("kind", order, [_PALETTE[place % len(_PALETTE)] for place in range(len(order))]),
        tooltip=[
            alt.Tooltip("kind:N", title="neurons of"),
            alt.Tooltip("layer:O"),
            alt.Tooltip("count:Q", format=","),
        ],
        height=240,
        stacked_by="place",
    )
    rows = tuple((str(layer), *(numbers.count(cells[layer, kind]) for kind in order)) for layer in layers)
    caption = "Every fact's neurons, by the languages in which they are knowledge neurons of the fact."
    return Figure("languages_held", "Which neurons speak which language", caption, chart, ("layer", *order), rows)


def _holders(section: LanguageSection, languages: Sequence[str]) -> str:
    if len(section.names) > _MOST_NAMED or not languages:
        return f"{len(languages)} of {len(section.names)} languages"
    names = ", ".join(section.names[language] for language in languages)
    return names if len(languages) > 1 else f"{names} only"


def _sizes(section: LanguageSection) -> Figure:
    """How many language-independent neurons facts have, and how many there would be by chance."""
    counts, size = Counter(section.sizes), section.shared.size
    data = [{"size": each, "facts": counts[each]} for each in range(max(section.sizes) + 1)]
    means = [{"kind": _FOUND, "mean": size.value}, {"kind": _CHANCE, "mean": _expected(section)}]
    axis = alt.Axis(tickMinStep=1, format="d")
    scale = alt.Scale(domain=[-0.5, max(section.sizes) + 0.5], nice=False)
    found = histogram(
        [{**row, "low": row["size"] - 0.5, "high": row["size"] + 0.5} for row in data],
        x=alt.X("low:Q", bin="binned", title="language-independent neurons", axis=axis, scale=scale),
        y=counts_axis("facts", "facts"),
        tooltip=[alt.Tooltip("size:Q", title="neurons"), alt.Tooltip("facts:Q", format=",")],
        color=BLUE,
        opacity=0.4,
        binSpacing=1,
    )
    color = colors("kind", [_FOUND, _CHANCE], [BLUE, ORANGE])
    chart = alt.layer(found, chart_of(means).mark_rule(strokeWidth=3).encode(x="mean:Q", color=color))
    rows = tuple((str(row["size"]), numbers.count(row["facts"])) for row in data if row["facts"])
    caption = (
        f"Found {numbers.plain(size.value)} per fact {numbers.plain_range(size.interval)};"
        f" random neurons of the same layers would give {numbers.plain(_expected(section))}."
    )
    columns, title = ("language-independent neurons", "facts"), "Language-independent neurons per fact"
    return Figure("languages_sizes", title, caption, chart.properties(height=220), columns, rows)


def _effects(section: LanguageSection, action: str, own: Sequence[Finding]) -> Figure:
    """What suppressing or enhancing each set does while facts are asked in each language."""
    kinds = ["found", "random neurons, matched"]
    data, rows, labels = [], [], list[str]()
    for each in own:
        asked, of = (str(each.under[name]) for name in ("asked", "neurons_of"))
        whose = f"{section.names[of]} neurons" if of else f"{SHARED} neurons"
        labels.append(f"asked in {section.names[asked]}: {whose}")
        intervals = [interval for interval in (each.interval, each.control) if interval is not None]
        data += [
            {"place": labels[-1], "kind": kind, **with_interval("change", interval)}
            for kind, interval in zip(kinds, intervals, strict=False)
        ]
        told = (numbers.with_range(interval, numbers.change) for interval in intervals)
        rows.append((section.names[asked], whose, *told, numbers.count(each.n)))
    chart = points(
        data,
        row=("place", labels),
        series=("kind", kinds, [BLUE, GREY]),
        x=relative_change(),
        tooltip=[
            alt.Tooltip("place:N", title="neurons"),
            alt.Tooltip("kind:N", title="which"),
            *interval_tooltip("change", "+.1%"),
        ],
        height=62 * len(labels),
        zero=(4, 3),
    )
    verb = {"suppress": "Suppressing neurons, by language", "enhance": "Enhancing neurons, by language"}[action]
    caption = (
        f"Values {VALUES[action]} while a fact is asked in one language. Points: mean over facts; lines: 95% bootstrap"
        " interval, subjects resampled. The random neurons are of the same layers and strength."
    )
    columns = ("asked in", "neurons", "change of P(answer)", "random neurons", "facts")
    return Figure(f"languages_{action}", verb, caption, chart, columns, tuple(rows))
