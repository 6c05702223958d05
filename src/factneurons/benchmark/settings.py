"""What the benchmark plants and judges: one frozen record for the API and the command line."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

from factneurons.attribution.settings import METHOD_NAMES
from factneurons.planted.settings import PlantingSettings
from factneurons.settings import check, check_choice, option, refuse

BASES = ("pocket-bert", "pocket-gpt2", "pocket-llama")
SEEDS = tuple(range(6))

TRUE = "true"
"""Where the neurons to be grouped come from: the truth, or else the method of this name."""

GROUPED = ("degenerate", "redundant", "conjunctive", "single", "shared")
"""Regimes whose neurons have one right grouping."""

JUDGED = (*GROUPED, "interchangeable")
"""Regimes that a verdict can name."""

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
    planting: PlantingSettings = option(
        PlantingSettings(), "How facts are planted; its seed is replaced by each of the seeds."
    )

    def __post_init__(self) -> None:
        check(self)
        for name in ("bases", "seeds"):
            if not getattr(self, name):
                refuse(name, getattr(self, name), "one or more")
        for name in self.grouped_by:
            check_choice("grouped_by", name, (TRUE, *scorer_names()))


SMALL = BenchmarkSettings(
    bases=("random-gpt2", "random-llama"),
    seeds=(0,),
    grouped_by=(DEFAULT, TRUE),
    planting=PlantingSettings(
        mix={"degenerate": 1, "conjunctive": 1, "redundant": 1, "single": 2, "interchangeable": 1},
        prompts=2,
        background=60,
        steps=200,
        batch_size=64,
        learning_rate=0.01,
    ),
)
"""For trying it out, in minutes: too few facts to tell contestants apart."""
