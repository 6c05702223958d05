"""The table of all facts: a row for each, and what it can be filtered by."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from factneurons.findings.degeneracy import keys
from factneurons.findings.effects import FactKey
from factneurons.report.pictures import strip_path, strip_words
from factneurons.report.reading import Reading, records

LISTED_FACTS = 20_000

_HALF = -0.5
_EFFECTS = ("falls by half or more", "falls by less", "does not fall", "not measured")


@dataclass(frozen=True, slots=True)
class Filter:
    """What a table can be filtered by: a name and two or more values; a row names its own by their places."""

    name: str
    values: Sequence[str]


@dataclass(frozen=True, slots=True)
class FactRow:
    """One fact in the table.

    Attributes:
        number: its number in the report, from 1.
        row: its row of the table `facts`.
        in_full: whether it has a section of its own, which opens below its row.
        strip, where: its neurons by layer, as a path and in words.
        storage: how it is stored; "": not searched for.
        effect: relative change of P(answer) with its knowledge neurons suppressed; None: not measured.
        filters: the place of its value in each `Filter`.
        order: what its columns of numbers are sorted by: number, P(answer), neurons, effect; None: nothing.
    """

    number: int
    row: Mapping[str, Any]
    in_full: bool
    strip: str
    where: str
    storage: str
    effect: float | None
    filters: tuple[int, ...]

    @property
    def order(self) -> tuple[float | None, ...]:
        """What its columns of numbers are sorted by."""
        return self.number, self.row["probability"], self.row["neurons"], self.effect


@dataclass(frozen=True, slots=True)
class FactTable:
    """The rows, the filters, and how many facts are not listed."""

    rows: Sequence[FactRow]
    filters: Sequence[Filter]
    left_out: int


def fact_table(reading: Reading) -> FactTable:
    """All facts, by id and language."""
    facts = records(reading.facts.head(LISTED_FACTS))
    storage = dict(zip(keys(reading.degenerate), reading.degenerate.get("storage", ()), strict=True))
    effects = _suppressed(reading)
    layers = _layers(reading)
    own = [(row["fact_id"], row["language"]) for row in facts]
    values = {
        "Relation": [row["relation"] for row in facts],
        "Language": [row["language"] for row in facts],
        "Known": ["yes" if row["known"] else "no" for row in facts],
        "Stored": [storage.get(key, "") or "not searched for" for key in own],
        "If suppressed, P": [_EFFECTS[_class(effects.get(key))] for key in own],
    }
    values = {name: each for name, each in values.items() if len(set(each)) > 1}
    filters = [Filter(name, by_frequency(each)) for name, each in values.items()]
    places = [{value: place for place, value in enumerate(each.values)} for each in filters]
    return FactTable(
        [
            FactRow(
                number=number,
                row=row,
                in_full=number <= len(reading.shown),
                strip=strip_path(layers.get(key, {})),
                where=strip_words(layers.get(key, {})),
                storage=storage.get(key, ""),
                effect=effects.get(key),
                filters=tuple(place[each[number - 1]] for place, each in zip(places, values.values(), strict=True)),
            )
            for number, (key, row) in enumerate(zip(own, facts, strict=True), start=1)
        ],
        filters,
        max(0, len(reading.facts) - LISTED_FACTS),
    )


def by_frequency(values: Iterable[str]) -> list[str]:
    """The different values, the most frequent first, then as they come."""
    return [value for value, _ in Counter(values).most_common()]


def _suppressed(reading: Reading) -> dict[FactKey, float]:
    table = reading.effects
    own = table[
        (table["neurons"] == "knowledge")
        & (table["action"] == "suppress")
        & (table["prompts"] == "related")
        & table["relative"].notna()
    ]
    return dict(zip(keys(own), own["relative"].astype(float).tolist(), strict=True))


def _class(effect: float | None) -> int:
    if effect is None or not math.isfinite(effect):
        return 3
    return 0 if effect <= _HALF else 1 if effect < 0 else 2


def _layers(reading: Reading) -> dict[FactKey, Counter[int]]:
    found: dict[FactKey, Counter[int]] = {}
    for key, layer in zip(keys(reading.neurons), reading.neurons["layer"].tolist(), strict=True):
        found.setdefault(key, Counter())[layer] += 1
    return found
