"""The settings of planting: every option, its default and its range."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from factneurons.errors import BadSetting
from factneurons.planted.types import REGIMES, Regime

ORDERED: tuple[Regime, ...] = tuple(regime for regime in REGIMES if regime != "shared")
"""The regimes that can be asked for; shared facts come with degenerate ones."""

MIX: dict[str, int] = {
    "degenerate": 4,
    "conjunctive": 6,
    "redundant": 4,
    "single": 6,
    "bilingual": 3,
    "interchangeable": 4,
}
"""Regime -> how many facts of it are invented where none are given. Every component of a degenerate fact
brings another fact with it, which is then a shared one."""

_LEAST = {"seed": 0, "prompts": 1, "background": 1, "distractors": 0, "steps": 1, "batch_size": 4}


@dataclass(frozen=True, slots=True)
class PlantingSettings:
    """How facts are planted.

    Attributes:
        mix: regime -> how many invented facts of it.
        seed: of names, places, weights and training.
        prompts: prompts per fact and language.
        background: prompts whose answers are held where they were; so many are drawn anew every 40 steps.
        distractors: the least number of neurons per layer that fire and store nothing.
        steps: training steps at most; training ends when every promise is kept with room to spare.
        batch_size: rows per step; every row is a prompt with a set of neurons suppressed.
        learning_rate: Adam's at the start; it falls to a tenth.

    Raises:
        BadSetting: an unknown regime or a value out of range.
    """

    mix: dict[str, int] = field(default_factory=lambda: dict(MIX))
    seed: int = 0
    prompts: int = 4
    background: int = 800
    distractors: int = 4
    steps: int = 900
    batch_size: int = 192
    learning_rate: float = 0.005

    def __post_init__(self) -> None:
        for name, count in self.mix.items():
            check_regime(name, "mix")
            if count < 0:
                raise BadSetting(f"mix: {name} is {count}; it must be at least 0")
        for name, least in _LEAST.items():
            if getattr(self, name) < least:
                raise BadSetting(f"{name} is {getattr(self, name)}; it must be at least {least}")
        if not 0 < self.learning_rate < math.inf:
            raise BadSetting(f"learning_rate is {self.learning_rate}; it must be above 0")


def check_regime(name: str, where: str) -> None:
    """Refuse what cannot be asked for.

    Raises:
        BadSetting: no such regime.
    """
    if name not in ORDERED:
        raise BadSetting(
            f"{where}: unknown regime {name!r}; valid: {', '.join(ORDERED)} (shared facts come with degenerate ones)"
        )
