"""What is planted, as plain values: facts whose neurons are known because they were put there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from factneurons.facts.types import Fact
from factneurons.models.types import Neuron, Positions

Regime = Literal[
    "degenerate", "conjunctive", "redundant", "shared", "single", "bilingual", "interchangeable",
    "lone", "copies", "large", "unequal", "four", "overlapping", "helped", "diffuse", "subject",
]  # fmt: skip
REGIMES: tuple[Regime, ...] = get_args(Regime)
"""The ways in which a fact can be stored; docs/planted.md says what each promises."""

Wiring = Literal["parallel", "series"]
"""How the neurons of a component work together: they stand in one layer, each reads the prompt, and their outputs
add up; or each reads what the one below wrote, and only the last one writes the answer."""


@dataclass(frozen=True, slots=True)
class PlantedComponent:
    """Neurons that act as one.

    Attributes:
        neurons: its neurons, sorted.
        wiring: how they work together.
        serves: ids of the other facts it carries too.
        language: the only language it is for; "" where it is for all languages of the fact.
    """

    neurons: tuple[Neuron, ...]
    wiring: Wiring = "parallel"
    serves: tuple[str, ...] = ()
    language: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One promise of a regime, as it was measured.

    Attributes:
        what: the promise in a few words.
        suppressed: the neurons that were suppressed.
        value: P(answer), the mean over the fact's prompts; where it is promised in several languages, the worst.
        language: the only language it is promised in; "" for all.
        at_least: the least value that is accepted, where there is one.
        at_most: the largest value that is accepted, where there is one.
    """

    what: str
    suppressed: tuple[Neuron, ...]
    value: float
    at_least: float = 0.0
    at_most: float = 1.0
    language: str = ""

    @property
    def passed(self) -> bool:
        """Whether the promise is kept."""
        return self.at_least <= self.value <= self.at_most


@dataclass(frozen=True, slots=True)
class PlantedFact:
    """A fact and the neurons that store it.

    Attributes:
        facts: the fact, once per language.
        regime: how it is stored.
        components: its components; an interchangeable or diffuse fact has one neuron in each.
        checks: the promises of the regime, as measured on the saved model.
        helpers: neurons of little effect each: no part of a component, and no strangers either.
    """

    facts: tuple[Fact, ...]
    regime: Regime
    components: tuple[PlantedComponent, ...]
    checks: tuple[Check, ...] = ()
    helpers: tuple[Neuron, ...] = ()

    @property
    def id(self) -> str:
        """The fact's id."""
        return self.facts[0].id

    @property
    def neurons(self) -> tuple[Neuron, ...]:
        """The neurons of all components, sorted; one that components share is there once."""
        return tuple(sorted({neuron for component in self.components for neuron in component.neurons}))

    @property
    def everything(self) -> tuple[Neuron, ...]:
        """The neurons of all components and the helpers, sorted."""
        return tuple(sorted({*self.neurons, *self.helpers}))

    @property
    def positions(self) -> Positions:
        """Where its neurons act."""
        return "subject_last" if self.regime == "subject" else "target"

    def neurons_of(self, language: str) -> tuple[Neuron, ...]:
        """The neurons that carry the fact in one language, sorted."""
        own = (component for component in self.components if component.language in ("", language))
        return tuple(sorted({neuron for component in own for neuron in component.neurons}))


@dataclass(frozen=True, slots=True)
class Rejected:
    """A fact that could not be planted, and the promise it broke worst."""

    id: str
    regime: Regime
    reason: str
