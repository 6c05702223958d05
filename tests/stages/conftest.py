"""Runs of the pocket model that tests of stages begin with: three facts in English and Chinese, one in English only."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from factneurons.models.load import load_model
from factneurons.models.model import Model
from factneurons.runs.store import Run
from factneurons.stages.display import display_of
from factneurons.stages.locate import run_locate

FACTS = "bundled?relation=capital&limit=7"


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def gpt2() -> Model:
    return load_model("pocket-gpt2", device="cpu")


@pytest.fixture(scope="session")
def _located(gpt2: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stages") / "located"
    run_locate(gpt2, FACTS, folder, method="dai", draws=1, unrelated=0)
    return folder


@pytest.fixture(scope="module")
def located(_located: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run in which facts were located; a module's own, for its stages to come after each other."""
    folder = tmp_path_factory.mktemp("run") / "run"
    shutil.copytree(_located, folder)
    return Run.open(folder)


class Seen:
    """A display that keeps what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.titles: list[str] = []
        self.ended: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def progress(self, title: str) -> object:
        self.titles.append(title)
        return display_of(None).progress(title)

    def finished(self, stage: str, run: Run) -> None:
        assert run.manifest.stages[stage].state == "done"
        self.ended.append(stage)


@pytest.fixture
def seen() -> Seen:
    """A display that keeps what it is told: notes, titles, and the stages that ended."""
    return Seen()


@pytest.fixture(scope="session")
def parts() -> Callable[[Run], set[str]]:
    """parts(run): the names of its files of rows; where nothing is done again there is none more."""
    return lambda run: {path.name for path in (run.folder / "parts").iterdir()}
