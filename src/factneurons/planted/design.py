"""Which neurons a fact gets: components, their wiring and layers, drawn at random within the regime.

In: facts and regimes. Out: planted facts whose neurons are places yet to be made: the n-th new neuron of a layer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from factneurons.facts.types import Fact
from factneurons.models.types import Neuron
from factneurons.planted.types import PlantedComponent, PlantedFact, Regime, Wiring

MANY = 30
"""The helpers of a helped fact, and the neurons of a diffuse one."""


@dataclass(frozen=True, slots=True)
class Order:
    """A fact to be planted, once per language, and the facts that may share its components.

    Attributes:
        facts: the fact in each language.
        regime: how it is to be stored.
        partners: facts with the same answer; each shares one component, in order.
    """

    facts: tuple[Fact, ...]
    regime: Regime
    partners: tuple[Fact, ...] = ()


@dataclass(slots=True)
class _Places:
    """Hands out new neurons: `take` gives the next one of a layer."""

    layers: Sequence[int]
    rng: np.random.Generator
    taken: Counter[int]

    def take(self, layer: int) -> Neuron:
        place = Neuron(layer, self.taken[layer])
        self.taken[layer] += 1
        return place

    def anywhere(self, count: int) -> tuple[Neuron, ...]:
        """So many neurons, each in a layer of its own choice."""
        return tuple(self.take(int(self.rng.choice(self.layers))) for _ in range(count))

    def parallel(self, size: int) -> PlantedComponent:
        """Neurons of one layer, none of which can read another."""
        layer = int(self.rng.choice(self.layers))
        return PlantedComponent(tuple(self.take(layer) for _ in range(size)), "parallel")

    def series(self, size: int) -> PlantedComponent:
        """A chain: one neuron in each of `size` different layers."""
        layers = sorted(int(layer) for layer in self.rng.choice(self.layers, size, replace=False))
        return PlantedComponent(tuple(self.take(layer) for layer in layers), "series")

    def stacked(self, size: int) -> PlantedComponent:
        """Half of the neurons in one layer, the others in one above it, which read what all the lower ones wrote."""
        lower, upper = self.two_layers()
        layers = [lower] * (size // 2) + [upper] * (size - size // 2)
        return PlantedComponent(tuple(self.take(layer) for layer in layers), "series")

    def two_layers(self) -> tuple[int, int]:
        """Two different layers, the lower one first."""
        lower, upper = sorted(int(layer) for layer in self.rng.choice(self.layers, 2, replace=False))
        return lower, upper

    def unit(self) -> PlantedComponent:
        """A component of two or three neurons, wired either way."""
        wiring: Wiring = ("parallel", "series")[self.rng.integers(2)]
        longest = min(3, len(self.layers))
        if wiring == "series" and longest > 1:
            return self.series(int(self.rng.integers(2, longest + 1)))
        return self.parallel(2)

    def copy(self, component: PlantedComponent) -> PlantedComponent:
        """The same layers and wiring with other neurons."""
        return replace(component, neurons=tuple(self.take(neuron.layer) for neuron in component.neurons))


def _units(places: _Places, order: Order) -> tuple[PlantedComponent, ...]:
    return tuple(places.unit() for _ in order.partners)


def _copies(places: _Places, _order: Order) -> tuple[PlantedComponent, ...]:
    first = places.unit()
    return (first, *(places.copy(first) for _ in range(int(places.rng.integers(1, 3)))))


def _stages(places: _Places, _order: Order) -> tuple[PlantedComponent, ...]:
    count = int(places.rng.integers(2, min(3, len(places.layers)) + 1))
    layers = sorted(int(layer) for layer in places.rng.choice(places.layers, count, replace=False))
    sizes = places.rng.integers(2, 4, size=count).tolist()
    return tuple(
        PlantedComponent(tuple(places.take(layer) for _ in range(size)), "series")
        for layer, size in zip(layers, sizes, strict=True)
    )


def _one(places: _Places, _order: Order) -> tuple[PlantedComponent, ...]:
    return (places.parallel(int(places.rng.integers(2, 4))),)


def _meeting(places: _Places, order: Order) -> tuple[PlantedComponent, ...]:
    """One stage for all languages, and above it one for each."""
    lower, upper = places.two_layers()
    size = int(places.rng.integers(1, 3))
    first = PlantedComponent(tuple(places.take(lower) for _ in range(size)), "series")
    return first, *(PlantedComponent((places.take(upper),), "series", language=fact.language) for fact in order.facts)


def _loose(places: _Places, _order: Order) -> tuple[PlantedComponent, ...]:
    return tuple(places.parallel(1) for _ in range(6))


def _lone(places: _Places, _order: Order) -> tuple[PlantedComponent, ...]:
    return places.parallel(1), places.unit(), places.unit()


def _single_copies(places: _Places, _order: Order) -> tuple[PlantedComponent, ...]:
    return tuple(places.parallel(1) for _ in range(int(places.rng.integers(2, 4))))


def _large(places: _Places, _order: Order) -> tuple[PlantedComponent, ...]:
    return tuple(places.stacked(int(size)) for size in places.rng.integers(5, 13, size=2))


def _unequal(places: _Places, _order: Order) -> tuple[PlantedComponent, ...]:
    return places.unit(), places.stacked(int(places.rng.integers(6, 10)))


def _four(places: _Places, _order: Order) -> tuple[PlantedComponent, ...]:
    return tuple(places.unit() for _ in range(4))


def _overlapping(places: _Places, _order: Order) -> tuple[PlantedComponent, ...]:
    """Two chains that begin with the same neuron."""
    count = min(3, len(places.layers))
    first, *above = sorted(int(layer) for layer in places.rng.choice(places.layers, count, replace=False))
    shared = places.take(first)
    return tuple(PlantedComponent((shared, *(places.take(layer) for layer in above)), "series") for _ in range(2))


def _diffuse(places: _Places, _order: Order) -> tuple[PlantedComponent, ...]:
    return tuple(places.parallel(1) for _ in range(MANY))


def _at_the_subject(places: _Places, _order: Order) -> tuple[PlantedComponent, ...]:
    """Two in the first layer: the attention of all others can carry to the target what they write."""
    return (PlantedComponent((places.take(0), places.take(0)), "parallel"),)


_LAYOUTS: dict[Regime, Callable[[_Places, Order], tuple[PlantedComponent, ...]]] = {
    "degenerate": _units,
    "redundant": _copies,
    "conjunctive": _stages,
    "single": _one,
    "bilingual": _meeting,
    "interchangeable": _loose,
    "lone": _lone,
    "copies": _single_copies,
    "large": _large,
    "unequal": _unequal,
    "four": _four,
    "overlapping": _overlapping,
    "helped": _one,
    "diffuse": _diffuse,
    "subject": _at_the_subject,
}


def design(orders: Sequence[Order], layers: Sequence[int], seed: int) -> tuple[list[PlantedFact], Counter[int]]:
    """Give every order its components.

    Args:
        orders: what is to be planted.
        layers: the layers that may be used; facts at their subject use the first one of the model.
        seed: of every choice.

    Returns:
        The planted facts, shared ones after the fact whose component they share, their neurons numbered
        from 0 in every layer; and layer -> how many neurons it needs.
    """
    places = _Places(layers, np.random.default_rng([seed, 3]), Counter())
    planted: list[PlantedFact] = []
    for order in orders:
        components = _LAYOUTS[order.regime](places, order)
        shared = [
            replace(component, serves=(partner.id,))
            for component, partner in zip(components, order.partners, strict=False)
        ]
        whole = PlantedFact(order.facts, order.regime, (*shared, *components[len(shared) :]))
        planted.append(replace(whole, helpers=places.anywhere(MANY)) if order.regime == "helped" else whole)
        planted += [
            PlantedFact((partner,), "shared", (replace(component, serves=(order.facts[0].id,)),))
            for component, partner in zip(components, order.partners, strict=False)
        ]
    return planted, places.taken
