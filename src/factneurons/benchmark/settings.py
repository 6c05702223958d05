"""What the benchmark plants and judges: one frozen record for the API and the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec

from factneurons.attribution.settings import METHOD_NAMES
from factneurons.planted.settings import HARD, MIX, PlantingSettings
from factneurons.pocket.recipe import RECIPES
from factneurons.settings import check, check_choice, option, refuse

BASES = ("pocket-bert", "pocket-gpt2", "pocket-llama")
SEEDS = tuple(range(6))

EASY = "easy"
"""The group of regimes that models are not named after."""

UNDESIGNED = "undesigned"
"""The group of regimes of which nobody planted the facts, and the part of the table that they are judged in."""

TRUE = "true"
"""Where the neurons to be grouped come from: the truth, or else the method of this name."""

ORACLE = "true groups"
"""Groups that no clusterer made: those of the given neurons that are of one component."""

DISTINCT = ("degenerate", "redundant")
"""Verdicts that say: this fact has components."""

GROUPED = (
    *("degenerate", "redundant", "conjunctive", "single", "shared"),
    *("lone", "large", "unequal", "four", "helped"),
)
"""Regimes whose neurons have one right grouping."""

RIGHT: Mapping[str, tuple[str, ...]] = {
    **{name: (name,) for name in ("degenerate", "redundant", "conjunctive", "single", "shared", "interchangeable")},
    **dict.fromkeys(("lone", "large", "unequal", "four"), ("redundant",)),
    "copies": ("interchangeable", "undecided"),
    "overlapping": ("conjunctive",),
    "helped": ("single",),
    "diffuse": ("interchangeable", "undecided", "none"),
}
"""Regime -> the verdicts that are right. Single neurons that each suffice have no halves, so no suppression tells them
from a sum; of components that share a neuron only the parts that do not overlap are both needed."""

JUDGED = tuple(RIGHT)
"""Regimes that a verdict can be right about."""

VERDICTS = ("degenerate", "redundant", "conjunctive", "single", "shared", "interchangeable", "undecided", "none")
"""Every verdict, in the order in which they are shown."""

DEFAULT = "joint in rounds"
"""What `locate` does unless told otherwise."""

IN_ROUNDS = {DEFAULT: "joint", "dai in rounds": "dai"}
"""Methods again and again, each time with what was found before suppressed."""

CAPTUM = "captum"
"""Captum's LayerIntegratedGradients: an outsider, whose path runs through the embeddings."""


def has_captum() -> bool:
    """Whether captum is installed; it is no requirement of factneurons."""
    return find_spec(CAPTUM) is not None


def scorer_names() -> tuple[str, ...]:
    """Who scores neurons: every method once, some in rounds, and captum where it is installed."""
    return (*METHOD_NAMES, *IN_ROUNDS, *([CAPTUM] if has_captum() else []))


@dataclass(frozen=True, slots=True)
class BenchmarkSettings:
    """What is planted and judged.

    Raises:
        BadSetting: nothing to plant, or an unknown method.
    """

    bases: tuple[str, ...] = option(BASES, "What facts are planted in.")
    seeds: tuple[int, ...] = option(SEEDS, "One planted model per base and seed.", least=0)
    grouped_by: tuple[str, ...] = option(
        (DEFAULT, TRUE, "amig", "dai in rounds"),
        "Whose neurons are grouped: true (those that store the fact), or methods that find them.",
    )
    mixes: dict[str, dict[str, int]] = option(
        {EASY: MIX, "hard": HARD}, "Groups of regimes, and how many facts of which are planted in a model of its own."
    )
    undesigned: int = option(
        30,
        "How many facts are judged at most of every model that is trained from scratch with one of two groups of "
        "neurons off; 0: no such models. They have the architectures of those bases that are bundled.",
        least=0,
    )
    planting: PlantingSettings = option(
        PlantingSettings(), "How facts are planted; its seed and its mix are replaced by each of those above."
    )

    def __post_init__(self) -> None:
        check(self)
        for name in ("bases", "seeds"):
            if not getattr(self, name):
                refuse(name, getattr(self, name), "one or more")
        if not self.mixes and not self.trained:
            refuse("mixes", self.mixes, f"one or more where no base is trained from scratch ({', '.join(RECIPES)})")
        for name in self.grouped_by:
            check_choice("grouped_by", name, (TRUE, *scorer_names()))

    @property
    def trained(self) -> tuple[str, ...]:
        """The bases whose architectures are trained from scratch for undesigned facts."""
        return tuple(base for base in self.bases if base in RECIPES and self.undesigned)

    @property
    def regimes(self) -> tuple[str, ...]:
        """The groups of regimes that are judged."""
        return (*self.mixes, *([UNDESIGNED] if self.undesigned else []))


SMALL = BenchmarkSettings(
    bases=("random-gpt2", "random-llama"),
    seeds=(0,),
    grouped_by=(DEFAULT, TRUE),
    mixes={EASY: {"degenerate": 1, "conjunctive": 1, "redundant": 1, "single": 2, "interchangeable": 1}},
    undesigned=0,
    planting=PlantingSettings(
        prompts=2,
        background=60,
        steps=200,
        batch_size=64,
        learning_rate=0.01,
    ),
)
"""For trying it out, in minutes: too few facts to tell contestants apart."""
