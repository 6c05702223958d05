"""The picture of one fact: its neurons as dots by layer, its components by colour, its degenerate pairs as lines."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from factneurons.models.types import Neuron
from factneurons.report import numbers

MOST_DOTS = 240
COLORS = 6
"""Components beyond so many share colours with earlier ones; each dot says its own on hover."""

_WIDTH = 640.0
_PITCH = 11.0
_LEAST, _LARGEST = 1.6, 4.8
_FOOT = 18.0
_LABELS = 16


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
    """A neuron: where it stands, how large, its colour (0: of no component), and what it says on hover."""

    x: float
    y: float
    radius: float
    color: int
    words: str


@dataclass(frozen=True, slots=True)
class Link:
    """Two dots that are a degenerate pair, and what suppressing them does."""

    first: Dot
    second: Dot
    words: str


@dataclass(frozen=True, slots=True)
class FactPicture:
    """Dots and lines in a view of `width` x `height` units; `labels` are (x, layer), `left_out` dots are not drawn."""

    width: float
    height: float
    labels: Sequence[tuple[float, int]]
    dots: Sequence[Dot]
    links: Sequence[Link]
    left_out: int


def fact_picture(
    lines: Sequence[NeuronLine], components: Sequence[ComponentLine], pairs: Sequence[Mapping[str, Any]], layers: int
) -> FactPicture | None:
    """The picture; None without neurons.

    Args:
        lines: the fact's neurons, those with the best scores first: they stand lowest.
        components: its components, for what suppressing each does.
        pairs: its rows of the table `pairs`.
        layers: how many layers the model has.
    """
    drawn = lines[:MOST_DOTS]
    if not drawn:
        return None
    cell = _WIDTH / layers
    pitch = min(_PITCH, cell / 2)
    across = max(1, int((cell - pitch / 2) / pitch))
    rows = math.ceil(max(Counter(line.layer for line in drawn).values()) / across)
    height = rows * _PITCH + _FOOT
    named = {each.name: each for each in components}
    order = {name: place for place, name in enumerate((each.name for each in components if each.passes), start=0)}
    placed: Counter[int] = Counter()
    dots: dict[Neuron, Dot] = {}
    for line in drawn:
        row, column = divmod(placed[line.layer], across)
        placed[line.layer] += 1
        dots[line.neuron] = Dot(
            x=line.layer * cell + pitch * (column + 0.75),
            y=height - _FOOT - _PITCH * (row + 0.5),
            radius=min(pitch / 2, _LEAST + (_LARGEST - _LEAST) * math.sqrt(line.length / 100)),
            color=1 + order[line.component] % COLORS if line.component in order else 0,
            words=_words(line, named.get(line.component)),
        )
    every = max(1, math.ceil(layers / _LABELS))
    return FactPicture(
        _WIDTH,
        height,
        [(layer * cell + cell / 2, layer) for layer in range(0, layers, every)],
        list(dots.values()),
        _links(pairs, dots),
        len(lines) - len(drawn),
    )


def _words(line: NeuronLine, component: ComponentLine | None) -> str:
    said = [f"L{line.layer}.{line.index}: score {numbers.plain(line.score)}, in {line.share:.0%} of the prompts"]
    if component is not None:
        said.append(f"{component.name} suppressed: P {numbers.loss(component.drop_alone)}")
        said.append(f"all other components suppressed: P {numbers.loss(component.drop_without_others)}")
    if line.promotes:
        said.append("promotes " + " ".join(text.strip() for text in line.promotes))
    return "; ".join(said)


def _links(pairs: Sequence[Mapping[str, Any]], dots: Mapping[Neuron, Dot]) -> list[Link]:
    links = []
    for pair in pairs:
        first, second = (dots.get(Neuron(int(each["layer"]), int(each["index"]))) for each in pair["neurons"])
        if pair["agreed"] and first is not None and second is not None:
            losses = [numbers.loss(pair[name]) for name in ("drop_first", "drop_second", "drop_together")]
            words = "a pair; one suppressed: P {}, the other: {}, both: {}".format(*losses)
            links.append(Link(first, second, words))
    return links
