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

    def parallel(self, size: int) -> PlantedComponent:
        """Neurons of one layer, none of which can read another."""
        layer = int(self.rng.choice(self.layers))
        return PlantedComponent(tuple(self.take(layer) for _ in range(size)), "parallel")

    def series(self, size: int) -> PlantedComponent:
        """A chain: one neuron in each of `size` different layers."""
        layers = sorted(int(layer) for layer in self.rng.choice(self.layers, size, replace=False))
        return PlantedComponent(tuple(self.take(layer) for layer in layers), "series")

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
    lower, upper = sorted(int(layer) for layer in places.rng.choice(places.layers, 2, replace=False))
    size = int(places.rng.integers(1, 3))
    first = PlantedComponent(tuple(places.take(lower) for _ in range(size)), "series")
    return first, *(PlantedComponent((places.take(upper),), "series", language=fact.language) for fact in order.facts)


def _loose(places: _Places, _order: Order) -> tuple[PlantedComponent, ...]:
    return tuple(places.parallel(1) for _ in range(6))


_LAYOUTS: dict[Regime, Callable[[_Places, Order], tuple[PlantedComponent, ...]]] = {
    "degenerate": _units,
    "redundant": _copies,
    "conjunctive": _stages,
    "single": _one,
    "bilingual": _meeting,
    "interchangeable": _loose,
}


def design(orders: Sequence[Order], layers: Sequence[int], seed: int) -> tuple[list[PlantedFact], Counter[int]]:
    """Give every order its components.

    Args:
        orders: what is to be planted.
        layers: the layers that may be used.
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
        planted.append(PlantedFact(order.facts, order.regime, (*shared, *components[len(shared) :])))
        planted += [
            PlantedFact((partner,), "shared", (replace(component, serves=(order.facts[0].id,)),))
            for component, partner in zip(components, order.partners, strict=False)
        ]
    return planted, places.taken
