"""A model with a truth written by hand, what judging could say of it, and a table of numbers made up."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch

from factneurons.benchmark.judging import Judged
from factneurons.benchmark.rows import COLUMNS, named, planted_rows
from factneurons.facts.types import Fact, Prompt
from factneurons.models.types import Neuron
from factneurons.planted.base import base_model
from factneurons.planted.plant import save
from factneurons.planted.truth import Truth
from factneurons.planted.types import PlantedComponent, PlantedFact, Rejected

HELD = {
    "prompts": 9.0,
    "recall_before": 0.5,
    "recall_after": 0.5,
    "probability_before": 0.4,
    "probability_after": 0.41,
    "largest_change": 0.01,
}


def _fact(name: str, answer: str) -> Fact:
    return Fact(f"capital/{name.lower()}", "capital", name, answer, "en", (Prompt(f"The capital of {name} is ___."),))


def _truth() -> Truth:
    first = (PlantedComponent((Neuron(0, 1), Neuron(1, 2)), "series"), PlantedComponent((Neuron(1, 5), Neuron(1, 6))))
    return Truth(
        base="random-gpt2",
        seed=0,
        facts=(
            PlantedFact((_fact("France", "Paris"),), "redundant", first),
            PlantedFact((_fact("Japan", "Tokyo"),), "single", (PlantedComponent((Neuron(0, 7), Neuron(0, 8))),)),
            PlantedFact(
                (_fact("Peru", "Lima"),),
                "interchangeable",
                tuple(PlantedComponent((Neuron(1, index),)) for index in range(20, 23)),
            ),
        ),
        distractors={"loud": (Neuron(0, 9),)},
        rejected=(Rejected("capital/kenya", "single", "nothing suppressed: 0.20"),),
        held=HELD,
    )


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model with random weights and a truth that no weight keeps; read only."""
    folder = tmp_path_factory.mktemp("planted") / "tiny"
    save(base_model("random-gpt2", 0), folder)
    _truth().save(folder)
    return folder


@pytest.fixture
def copy_of_tiny(tiny: Path) -> Callable[[Path], None]:
    """copy_of_tiny(folder): the tiny planted model in another place."""
    return lambda folder: shutil.copytree(tiny, folder)  # type: ignore[return-value]


@pytest.fixture(scope="session")
def said() -> Judged:
    """What judging could say of two facts."""
    facts = [("a", "en", "redundant"), ("b", "en", "single")]
    about = [dict(zip(("fact_id", "language", "regime"), fact, strict=True)) for fact in facts]
    found = {"precision": 0.5, "recall": 1.0, "average_precision": 0.75, "held_out_loss": 0.5, "chosen": 4, "true": 2}
    agree = {"adjusted_rand_index": 0.5, "f1": 0.25}
    return Judged(
        pd.DataFrame([{**row, "method": name, **found} for row in about for name in ("dai", "random")]),
        pd.DataFrame([{**row, "neurons": "true", "clusterer": "ntc", **agree} for row in about]),
        pd.DataFrame([{**row, "neurons": "true", "clusterer": "ntc", "verdict": "single"} for row in about]),
    )


@pytest.fixture(scope="session")
def table(said: Judged) -> pd.DataFrame:
    """The rows of three models: two contestants per part, of which `random` is always worse."""
    tables = []
    for seed in range(3):
        rows = named(planted_rows(said), "pocket-gpt2", seed)
        rows.loc[rows["contestant"] != "random", "value"] -= 0.01 * seed
        worse = rows[rows["part"] != "localisation"].assign(contestant="random", verdict="none")
        worse["verdict"] = worse["verdict"].where(worse["part"] == "verdict", "")
        worse["value"] -= 0.2
        rows.loc[(rows["part"] == "localisation") & (rows["contestant"] == "random"), "value"] = 0.1
        tables += [rows, worse]
    return pd.concat(tables, ignore_index=True)[list(COLUMNS)]
