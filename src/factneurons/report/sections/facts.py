"""One section per fact: its prompts, its top neurons, its barcode, its components and what changing them does."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from factneurons.attribution.settings import ACTIONS
from factneurons.facts.types import BLANK
from factneurons.findings.degeneracy import keys
from factneurons.findings.effects import PROMPTS, FactKey
from factneurons.models.types import Neuron
from factneurons.report import numbers, text
from factneurons.report.charts import Figure
from factneurons.report.figures import barcode
from factneurons.report.reading import Reading, records
from factneurons.report.sections.picture import ComponentLine, FactPicture, NeuronLine, fact_picture

_TOP_NEURONS = 12
_LISTED_NEURONS = 12
_TOKENS = 4


@dataclass(frozen=True, slots=True)
class PromptLine:
    """One prompt with the answer in its blank.

    Attributes:
        left, answer, right: the sentence.
        probability: P(answer) for it; None if it was not asked, or not measured.
        reason: why it was not asked; empty if it was.
    """

    left: str
    answer: str
    right: str
    probability: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class CarriedLine:
    """What one component carries beside the fact; `name` as in `ComponentLine`."""

    name: str
    other_facts: float | None
    random: float | None
    p_value: float | None
    shared: float | None
    overlap: float


@dataclass(frozen=True, slots=True)
class EffectLine:
    """What one action on one set of neurons does; prompts -> (P before, P after, the change in words)."""

    action: str
    neurons: str
    size: int
    draws: int
    measured: Mapping[str, tuple[float, float, str]]


@dataclass(frozen=True, slots=True)
class FactSection:
    """Everything the page shows of one fact.

    Attributes:
        number: its number in the report, from 1.
        row: its row of the table `facts`.
        prompts: its prompts.
        neurons: its top knowledge neurons; `more_neurons` are not shown.
        picture: its neurons by layer; None if there are none.
        barcode: its clusters; None if there are none.
        components: those that pass first.
        degenerate: its row of the table `degenerate`; None if it was not searched.
        details: further numbers of the search by name.
        verdict: what was found, in a sentence.
        reason: why there are no degenerate neurons, or that is undecided, in words; empty where there are.
        carried: what its components carry beside it, and `carrying`, what follows from that, in words.
        effects: what changing its neurons does.
    """

    number: int
    row: Mapping[str, Any]
    prompts: Sequence[PromptLine]
    neurons: Sequence[NeuronLine]
    more_neurons: int
    picture: FactPicture | None
    barcode: Figure | None
    components: Sequence[ComponentLine]
    degenerate: Mapping[str, Any] | None
    details: Mapping[str, float]
    verdict: str
    reason: str
    carried: Sequence[CarriedLine]
    carrying: str
    effects: Sequence[EffectLine]


def sections_of(reading: Reading) -> list[FactSection]:
    """A section for every shown fact, in the order of their ids and languages."""
    degenerate = {(row["fact_id"], row["language"]): row for row in _of_shown(reading, reading.degenerate)}
    effects: dict[FactKey, list[Mapping[str, Any]]] = {}
    for row in _of_shown(reading, reading.effects):
        effects.setdefault((row["fact_id"], row["language"]), []).append(row)
    return [
        _section(reading, number, row, degenerate.get(key), effects.get(key, []))
        for number, (key, row) in enumerate(zip(reading.shown, _of_shown(reading, reading.facts), strict=True), start=1)
    ]


def _of_shown(reading: Reading, table: pd.DataFrame) -> list[dict[str, Any]]:
    shown = set(reading.shown)
    return records(table[np.array([key in shown for key in keys(table)], dtype=bool)])


def _section(
    reading: Reading,
    number: int,
    row: Mapping[str, Any],
    degenerate: Mapping[str, Any] | None,
    effects: Sequence[Mapping[str, Any]],
) -> FactSection:
    key = (row["fact_id"], row["language"])
    components = [_component(each) for each in _named(reading.of("components", key))]
    details = {} if degenerate is None else _numbers(degenerate["details"])
    reason = "" if degenerate is None else str(degenerate["reason"])
    neurons = _neurons(reading, key)
    carried = sorted(reading.of("carried", key), key=lambda each: int(each["component"]))
    return FactSection(
        number=number,
        row=row,
        prompts=_prompts(reading, key, row),
        neurons=neurons[:_TOP_NEURONS],
        more_neurons=max(0, len(neurons) - _TOP_NEURONS),
        picture=fact_picture(
            neurons,
            components,
            reading.of("pairs", key),
            reading.of("connections", key),
            reading.layers,
            reading.width,
        ),
        barcode=barcode(number, reading.of("barcodes", key)),
        components=components,
        degenerate=degenerate,
        details=details,
        verdict=""
        if degenerate is None
        else text.grouping(degenerate["grouping"], int(degenerate["components"]), details.get("halving")),
        reason=text.no_degenerate(reason) if reason else "",
        carried=[_carried(each) for each in carried],
        carrying=_carrying(carried),
        effects=_effects(effects),
    )


def _carried(row: Mapping[str, Any]) -> CarriedLine:
    return CarriedLine(
        name=f"B{int(row['component'])}",
        other_facts=row["other_facts"],
        random=row["random_other_facts"],
        p_value=row["p_value"],
        shared=row["shared"],
        overlap=float(row["overlap"]),
    )


def _carrying(rows: Sequence[Mapping[str, Any]]) -> str:
    return f"What suppressing a component does to {rows[0]['others']} other facts:" if rows else ""


def _numbers(named: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    return {each["name"]: each["value"] for each in named if each["value"] is not None}


def _prompts(reading: Reading, key: FactKey, row: Mapping[str, Any]) -> list[PromptLine]:
    asked = reading.prompts.get(key, {})
    left_out = {each["prompt"]: each["reason"].replace("-", " ") for each in reading.of("skipped", key)}
    lines = []
    for prompt in row["prompts"]:
        left, _, right = prompt.partition(BLANK)
        reason = "" if prompt in asked else left_out.get(prompt, "")
        lines.append(PromptLine(left, row["answer"], right, asked.get(prompt), reason))
    return lines


def _named(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, Mapping[str, Any]]]:
    """Components are B1, B2 and so on, candidates that did not pass C1, C2."""
    ordered = sorted(rows, key=lambda row: int(row["component"]))
    passing = [row for row in ordered if row["role"] == "component"]
    failing = [row for row in ordered if row["role"] != "component"]
    return [(f"B{i}", row) for i, row in enumerate(passing, start=1)] + [
        (f"C{i}", row) for i, row in enumerate(failing, start=1)
    ]


def _component(named: tuple[str, Mapping[str, Any]]) -> ComponentLine:
    name, row = named
    neurons = [f"L{neuron['layer']}.{neuron['index']}" for neuron in row["neurons"]]
    more = len(neurons) - _LISTED_NEURONS
    listed = ", ".join(neurons[:_LISTED_NEURONS]) + (f" and {more} more" if more > 0 else "")
    return ComponentLine(
        name=name,
        passes=row["role"] == "component",
        neurons=listed,
        size=int(row["size"]),
        birth=row["birth"],
        death=row["death"],
        drop_alone=row["drop_alone"],
        drop_without_others=row["drop_without_others"],
    )


def _neurons(reading: Reading, key: FactKey) -> list[NeuronLine]:
    member = {
        (neuron["layer"], neuron["index"]): name
        for name, row in _named(reading.of("components", key))
        for neuron in row["neurons"]
    }
    rows = sorted(reading.of("neurons", key), key=lambda row: int(row["position"]))
    largest = max((abs(row["score"]) for row in rows), default=0.0) or 1.0
    return [
        NeuronLine(
            neuron=Neuron(int(row["layer"]), int(row["index"])),
            score=float(row["score"]),
            share=float(row["share"]),
            length=100 * abs(float(row["score"])) / largest,
            component=member.get((row["layer"], row["index"]), ""),
            promotes=list(row["promotes"])[:_TOKENS] if row["promotes"] is not None else (),
        )
        for row in rows
    ]


def _effects(rows: Sequence[Mapping[str, Any]]) -> list[EffectLine]:
    found = {(row["action"], row["neurons"], row["prompts"]): row for row in rows}
    lines = []
    for action in ACTIONS:
        for neurons, name in text.NEURON_SETS.items():
            own = {
                prompts: found[action, neurons, prompts] for prompts in PROMPTS if (action, neurons, prompts) in found
            }
            if own:
                first = next(iter(own.values()))
                measured = {
                    prompts: (float(row["before"]), float(row["after"]), _change(row["relative"], row["log"]))
                    for prompts, row in own.items()
                }
                lines.append(
                    EffectLine(
                        text.ACTIONS[action],
                        name,
                        int(first["size"]),
                        int(first["draws"]),
                        measured,
                    )
                )
    return lines


def _change(relative: float | None, log: float | None) -> str:
    """A relative change; next to 0, where there is none, that of log P."""
    if relative is not None and math.isfinite(relative):
        return numbers.change(relative)
    return numbers.NOTHING if log is None or not math.isfinite(log) else f"{numbers.signed(log)} nats"
