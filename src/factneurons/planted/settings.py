"""The settings of planting: every option, its default and its range."""

from __future__ import annotations

from dataclasses import dataclass

from factneurons.models.bundled import POCKET_MODELS
from factneurons.planted.types import REGIMES, Regime
from factneurons.settings import check, check_choice, check_number, option

ORDERED: tuple[Regime, ...] = tuple(regime for regime in REGIMES if regime != "shared")
"""The regimes that can be asked for; shared facts come with degenerate ones."""

RANDOM = "random-"
RANDOM_MODELS = {f"{RANDOM}{model.architecture}": model for model in POCKET_MODELS.values()}
"""Name -> the bundled model whose tokenizer and architecture a random model of size s gets."""

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

HARD: dict[str, int] = dict.fromkeys(
    ("lone", "copies", "large", "unequal", "four", "overlapping", "helped", "diffuse"), 3
)
"""The same of the hard regimes: components of other sizes, more of them, and facts that have none."""

MIXES = {"easy": MIX, "hard": HARD, "all": MIX | HARD, "subject": {"subject": 8}}
"""Name -> a mix of regimes."""


@dataclass(frozen=True, slots=True)
class PlantingSettings:
    """How facts are planted.

    Raises:
        BadSetting: an unknown regime or a value out of range.
    """

    mix: dict[str, int] = option(
        MIX,
        "How many facts of which regime are invented. Default: "
        f"{','.join(f'{regime}={count}' for regime, count in MIX.items())}.",
    )
    seed: int = option(0, "Decides every random draw.", least=0)
    prompts: int = option(4, "Prompts per invented fact and language.", least=1)
    background: int = option(
        800, "Prompts whose answers are held where they were; so many are drawn anew every 40 steps.", least=1
    )
    distractors: int = option(4, "The least number of neurons per layer that fire and store nothing.", least=0)
    steps: int = option(900, "Training steps at most.", least=1)
    batch_size: int = option(192, "Rows per step; every row is a prompt with a set of neurons suppressed.", least=4)
    learning_rate: float = option(0.005, "Adam's at the start; it falls to a tenth.", above=0)

    def __post_init__(self) -> None:
        check(self)
        for regime, count in self.mix.items():
            check_choice("mix", regime, ORDERED)
            check_number(f"mix: {regime}", count, whole=True, least=0)
