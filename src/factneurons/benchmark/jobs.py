"""The models of a benchmark: how each is made, and how it is judged.

Facts are planted in a base, or a small model of its architecture is trained from scratch and nobody plans its facts.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path

import pandas as pd

from factneurons.benchmark.contestants import groupers
from factneurons.benchmark.judging import judge
from factneurons.benchmark.purity import judge_switched
from factneurons.benchmark.rows import model_name, named, planted_rows, undesigned_rows
from factneurons.benchmark.settings import UNDESIGNED, BenchmarkSettings
from factneurons.planted.base import weight_files
from factneurons.planted.from_scratch import switched_recipe, train_switched
from factneurons.planted.plant import plant
from factneurons.planted.settings import PlantingSettings
from factneurons.planted.switched import FACTS, GROUPS
from factneurons.planted.truth import TRUTH
from factneurons.runs.files import sha256_of

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Job(ABC):
    """One model to be made and judged.

    Attributes:
        base: the model that facts are planted in, or whose architecture is trained.
        seed: of everything drawn at random.
        group: its group of regimes.
        place: its folder.
    """

    base: str
    seed: int
    group: str
    place: Path

    @property
    def name(self) -> str:
        """What the model is called in the table."""
        return model_name(self.base, self.seed, self.group)

    @property
    @abstractmethod
    def making(self) -> str:
        """What is done to make it, in a word."""

    @property
    @abstractmethod
    def known(self) -> tuple[Path, ...]:
        """The files that say what is known of it; they are there once it is made."""

    @property
    def made(self) -> bool:
        """Whether it is there."""
        return all(path.is_file() for path in self.known)

    @abstractmethod
    def make(self, report: Report) -> None:
        """Make it."""

    @abstractmethod
    def asked(self, settings: BenchmarkSettings) -> object:
        """What of the settings decides how it is judged."""

    @abstractmethod
    def judged(self, settings: BenchmarkSettings) -> pd.DataFrame:
        """Its rows but for the columns that name the model."""

    def rows(self, settings: BenchmarkSettings) -> pd.DataFrame:
        """Judge it: its rows of the benchmark's table."""
        return named(self.judged(settings), self.base, self.seed, self.group)


@dataclass(frozen=True, slots=True)
class Planted(Job):
    """A model that facts are planted in."""

    planting: PlantingSettings

    @property
    def making(self) -> str:
        """What is done to make it."""
        return "planting"

    @property
    def known(self) -> tuple[Path, ...]:
        """Its truth."""
        return (self.place / TRUTH,)

    def make(self, report: Report) -> None:
        """Plant its facts."""
        plant(self.base, self.place, settings=self.planting, report=report)

    def asked(self, settings: BenchmarkSettings) -> object:
        """Whose neurons are grouped."""
        return list(settings.grouped_by)

    def judged(self, settings: BenchmarkSettings) -> pd.DataFrame:
        """All methods, clusterers and verdicts."""
        return planted_rows(judge(self.place, grouped_by=settings.grouped_by))


@dataclass(frozen=True, slots=True)
class Trained(Job):
    """A model that is trained with one of two groups of neurons off."""

    @property
    def making(self) -> str:
        """What is done to make it."""
        return "training"

    @property
    def known(self) -> tuple[Path, ...]:
        """Its two groups, and the facts that are in both."""
        return (self.place / GROUPS, self.place / FACTS)

    def make(self, report: Report) -> None:
        """Train it."""
        train_switched(self.base, self.place, self.seed, report=report)

    def asked(self, settings: BenchmarkSettings) -> object:
        """How many facts at most."""
        return settings.undesigned

    def judged(self, settings: BenchmarkSettings) -> pd.DataFrame:
        """All clusterers, with the neurons that the default method finds."""
        return undesigned_rows(judge_switched(self.place, groupers(), facts=settings.undesigned))


def jobs_of(folder: Path, settings: BenchmarkSettings) -> list[Job]:
    """All models, seed by seed: what is stopped early has every base and every regime."""
    jobs: list[Job] = []
    weights = {base: [sha256_of(path) for path in weight_files(base)] for base in settings.bases if settings.mixes}

    def place(base: str, seed: int, group: str, content: Mapping[str, object]) -> Path:
        return folder / "models" / f"{model_name(base, seed, group)}-{key_of({'base': base, **content})}"

    for seed in settings.seeds:
        for base, (group, mix) in product(settings.bases, settings.mixes.items()):
            planting = replace(settings.planting, seed=seed, mix=mix)
            where = place(base, seed, group, {"weights": weights[base], "settings": asdict(planting)})
            jobs.append(Planted(base, seed, group, where, planting))
        for base in settings.trained:
            where = place(base, seed, UNDESIGNED, {"recipe": switched_recipe(base, seed).to_dict()})
            jobs.append(Trained(base, seed, UNDESIGNED, where))
    return jobs


def key_of(content: object) -> str:
    """A short hash of plain values."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:10]
