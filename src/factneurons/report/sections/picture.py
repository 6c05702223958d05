"""The picture of one fact: layers from below to above, its neurons as dots, what joins them as lines.

Components have colours: dots of those that pass the tests are full, of candidates hollow.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from factneurons.models.types import Neuron
from factneurons.report import numbers

MOST_DOTS = 240
_COLORS = 6
"""Groups beyond so many share colours with earlier ones; each dot says its own on hover."""

_WIDTH, _GUTTER = 640.0, 30.0
_HEIGHT = 300.0
_PITCH, _LARGEST_PITCH = 11.0, 18.0
"""Room for a dot across and upwards: larger where few layers have neurons."""
_LEAST, _LARGEST = 0.14, 0.44
"""Radius of a dot, in pitches."""
_THINNEST, _THICKEST = 0.5, 3.0
_GAPS, _LEAST_GAP, _LARGEST_GAP = 170.0, 3.0, 36.0
"""Height of all gaps between layers together, and of one of them."""
_EMPTY = 4.0
"""Height of a layer without neurons."""


@dataclass(frozen=True, slots=True)
class NeuronLine:
    """One knowledge neuron; `length` of its bar from 0 to 100, `component` it belongs to or empty text.

    `promotes` are the tokens it writes for; empty where the run has none.
    """

    neuron: Neuron
    score: float
    share: float
    length: float
    component: str
    promotes: Sequence[str]

    @property
    def layer(self) -> int:
        """Its layer, from 0."""
        return self.neuron.layer

    @property
    def index(self) -> int:
        """Its place in the layer, from 0."""
        return self.neuron.index


@dataclass(frozen=True, slots=True)
class ComponentLine:
    """One component or candidate: B1, B2 pass the tests, C1, C2 do not."""

    name: str
    passes: bool
    neurons: str
    size: int
    birth: float | None
    death: float | None
    drop_alone: float | None
    drop_without_others: float | None


@dataclass(frozen=True, slots=True)
class Dot:
    """A neuron: where it stands, how large, its colour (0: of no group), whether it is full, what it says on hover."""

    x: float
    y: float
    radius: float
    color: int
    full: bool
    words: str


@dataclass(frozen=True, slots=True)
class Link:
    """Two dots that something joins, how thick the line is, and what it says on hover."""

    first: Dot
    second: Dot
    width: float
    words: str


@dataclass(frozen=True, slots=True)
class FactPicture:
    """Dots and lines in a view of `width` x `height` units.

    Attributes:
        labels: (y, layer) of every layer that has neurons.
        dots: the neurons.
        connections: the connections that join them, the strongest last.
        pairs: its degenerate pairs.
        left_out: neurons that are not drawn.
    """

    width: float
    height: float
    labels: Sequence[tuple[float, int]]
    dots: Sequence[Dot]
    connections: Sequence[Link]
    pairs: Sequence[Link]
    left_out: int


def fact_picture(
    lines: Sequence[NeuronLine],
    components: Sequence[ComponentLine],
    pairs: Sequence[Mapping[str, Any]],
    connections: Sequence[Mapping[str, Any]],
    layers: int,
    width: int,
) -> FactPicture | None:
    """The picture; None without neurons.

    Args:
        lines: the fact's neurons, those with the best scores first.
        components: its components and candidates, for what suppressing each does.
        pairs: its rows of the table `pairs`.
        connections: its rows of the table `connections`.
        layers: how many layers the model has.
        width: how many neurons a layer has: a neuron stands where its index is among them, or as near as there is room.
    """
    drawn = lines[:MOST_DOTS]
    if not drawn:
        return None
    by_layer: dict[int, list[NeuronLine]] = {}
    for line in sorted(drawn, key=lambda line: line.neuron):
        by_layer.setdefault(line.layer, []).append(line)
    pitch = min(_LARGEST_PITCH, max(_PITCH, _HEIGHT / len(by_layer)))
    across = int((_WIDTH - _GUTTER) / pitch)
    rows = {layer: math.ceil(len(own) / across) for layer, own in by_layer.items()}
    heights = [pitch * rows[layer] if layer in rows else _EMPTY for layer in range(layers)]
    gap = min(_LARGEST_GAP, max(_LEAST_GAP, _GAPS / max(1, layers - 1)))
    feet = [sum(heights[layer:]) + gap * (layers - layer) for layer in range(layers)]
    named = {each.name: (place, each) for place, each in enumerate(components)}
    dots: dict[Neuron, Dot] = {}
    for layer, own in by_layer.items():
        for row in range(rows[layer]):
            these = own[row :: rows[layer]]
            for x, line in zip(_apart([each.index / width for each in these], pitch), these, strict=True):
                place, component = named.get(line.component, (0, None))
                dots[line.neuron] = Dot(
                    x=x,
                    y=feet[layer] - pitch * (row + 0.5),
                    radius=pitch * (_LEAST + (_LARGEST - _LEAST) * math.sqrt(line.length / 100)),
                    color=0 if component is None else 1 + place % _COLORS,
                    full=component is None or component.passes,
                    words=_words(line, component),
                )
    return FactPicture(
        _WIDTH,
        feet[0] + gap / 2,
        [(feet[layer] - pitch / 2, layer) for layer in sorted(by_layer)],
        list(dots.values()),
        _connections(connections, dots),
        _pairs(pairs, dots),
        len(lines) - len(drawn),
    )


def _apart(places: Sequence[float], pitch: float) -> list[float]:
    """Rising places from 0 to 1, as coordinates at least a pitch apart, as few of them as can be moved."""
    least, largest = _GUTTER + pitch / 2, _WIDTH - pitch / 2
    found = [least + (largest - least) * place for place in places]
    for k in range(1, len(found)):
        found[k] = max(found[k], found[k - 1] + pitch)
    for k in range(len(found) - 1, -1, -1):
        limit = largest if k == len(found) - 1 else found[k + 1] - pitch
        found[k] = min(found[k], limit)
    return found


def _words(line: NeuronLine, component: ComponentLine | None) -> str:
    said = [f"L{line.layer}.{line.index}: score {numbers.plain(line.score)}, in {line.share:.0%} of the prompts"]
    if component is not None:
        said.append(f"{component.name} suppressed: P {numbers.loss(component.drop_alone)}")
        if component.drop_without_others is not None:
            said.append(f"all other groups suppressed: P {numbers.loss(component.drop_without_others)}")
    if line.promotes:
        said.append("promotes " + " ".join(text.strip() for text in line.promotes))
    return "; ".join(said)


def _connections(rows: Sequence[Mapping[str, Any]], dots: Mapping[Neuron, Dot]) -> list[Link]:
    largest = max((float(row["weight"]) for row in rows), default=0.0) or 1.0
    links = []
    for row in sorted(rows, key=lambda row: float(row["weight"])):
        low, high = Neuron(row["layer"], row["index"]), Neuron(row["to_layer"], row["to_index"])
        if low in dots and high in dots:
            width = _THINNEST + (_THICKEST - _THINNEST) * float(row["weight"]) / largest
            words = f"L{low.layer}.{low.index} to L{high.layer}.{high.index}: weight {numbers.plain(row['weight'])}"
            links.append(Link(dots[low], dots[high], width, words))
    return links


def _pairs(pairs: Sequence[Mapping[str, Any]], dots: Mapping[Neuron, Dot]) -> list[Link]:
    links = []
    for pair in pairs:
        first, second = (dots.get(Neuron(int(each["layer"]), int(each["index"]))) for each in pair["neurons"])
        if pair["agreed"] and first is not None and second is not None:
            losses = [numbers.loss(pair[name]) for name in ("drop_first", "drop_second", "drop_together")]
            words = "a pair; one suppressed: P {}, the other: {}, both: {}".format(*losses)
            links.append(Link(first, second, 1.5, words))
    return links
