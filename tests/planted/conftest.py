"""One small planted model per architecture, made once: a few facts in the bundled models."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from factneurons.errors import BadSetting
from factneurons.models.load import load_model
from factneurons.models.model import Model
from factneurons.planted.plant import Planted, plant
from factneurons.planted.settings import PlantingSettings

ARCHITECTURES = ("bert", "gpt2", "llama")


def _small(**changes: Any) -> PlantingSettings:
    """Settings that plant a few facts in seconds."""
    few: dict[str, Any] = {
        "mix": {"single": 1, "redundant": 1},
        "seed": 1,
        "prompts": 1,
        "background": 8,
        "steps": 240,
        "batch_size": 24,
        "learning_rate": 0.01,
    }
    return PlantingSettings(**(few | changes))


@pytest.fixture(scope="session")
def small() -> Callable[..., PlantingSettings]:
    """small(steps=1, ...): settings that plant a few facts in seconds."""
    return _small


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@cache
def _base(architecture: str) -> Model:
    return load_model(f"pocket-{architecture}", device="cpu")


@pytest.fixture(scope="session")
def base() -> Callable[[str], Model]:
    """base("gpt2"): the bundled model that facts are planted in; leave it as it was."""
    return _base


@pytest.fixture(scope="session", params=ARCHITECTURES)
def architecture(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def planted(architecture: str, tmp_path_factory: pytest.TempPathFactory) -> Planted:
    """A planted model of each architecture; its folder is read only."""
    folder: Path = tmp_path_factory.mktemp("planted") / architecture
    for seed in range(1, 5):
        with suppress(BadSetting):  # so few steps do not store a fact with every seed
            return plant(_base(architecture), folder, settings=_small(seed=seed))
    pytest.fail(f"no fact could be planted in pocket-{architecture} with any of four seeds")


@pytest.fixture(scope="session")
def model(planted: Planted) -> Model:
    """The planted model as it is loaded from its folder; leave it as it is."""
    return load_model(planted.folder, device="cpu")
