"""What is told across models, from tables that are made up: every number has its row, and the page says the same."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pandas as pd
import pytest

from factneurons.experiments.ladder import COMPONENTS, PERTURBED
from factneurons.report.sections.ladders import ladder_frame, ladders_in
from factneurons.report.text import could_tell
from factneurons.runs.store import Run


@dataclass(frozen=True)
class Placed:
    name: str
    folder: str


@dataclass(frozen=True)
class Opened:
    """What is read of a run here."""

    manifest: object


@dataclass(frozen=True)
class Described:
    model: dict[str, object]


MODELS = [Placed("first", "a"), Placed("second", "b"), Placed("third", "c"), Placed("not measured", "d")]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Runs of models of 3, 6 and 9 neurons."""
    for number, model in enumerate(MODELS, start=1):
        (tmp_path / model.folder).mkdir()
        shape = {"family": "gpt2", "layers": 3, "width": number}
        (tmp_path / model.folder / "shape.json").write_text(json.dumps(shape))
    monkeypatch.setattr(
        Run, "open", lambda path: Opened(Described(json.loads((path / "shape.json").read_text(encoding="utf-8"))))
    )
    return tmp_path


def table(aspect, values):
    return pd.DataFrame(
        [
            {"fact_id": f"f{number}", "subject": f"s{number}", "language": "en", "measure": aspect.measure,
             "condition": aspect.condition, "place": "", "value": float(value)}
            for number, value in enumerate(values)
        ]
    )  # fmt: skip


def tables(*models):
    """Each model has components in one more fact of ten."""
    found = {}
    for number, model in enumerate(models):
        found[model, "E11"] = table(COMPONENTS, [fact <= number for fact in range(10)])
        found[model, "E6"] = table(PERTURBED, [0.5] * 10)
    return found


def test_every_mean_and_every_test_has_its_row(folder):
    climbed = ladders_in(folder, MODELS, tables("first", "second", "third"))
    frame = ladder_frame(climbed)
    own = frame[frame["number"] == COMPONENTS.name].set_index("what")
    assert own.loc["mean", "model"].tolist() == ["first", "second", "third"]
    assert own.loc["mean", "value"].tolist() == pytest.approx([0.1, 0.2, 0.3])
    over, ends = own.loc["over models"], own.loc["last model against the first"]
    assert (over["value"], over["verdict"], over["models"]) == (pytest.approx(1), "cannot tell", 3)
    assert over["smallest_p"] == 1
    assert ends["value"] == pytest.approx(0.2)
    together = frame[frame["number"] == f"{COMPONENTS.name} with {PERTURBED.name}"]
    assert together["value"].tolist() == [0.0]


def test_one_model_or_none_measured_is_no_ladder(folder):
    assert ladders_in(folder, MODELS, tables("first")) == []
    assert ladders_in(folder, MODELS, {}) == []
    assert ladder_frame([]).empty


def test_a_test_over_models_says_what_so_few_could_have_told(folder):
    (climbed,) = ladders_in(folder, MODELS, tables("first", "second", "third"))
    followed = {each.aspect: each for each in climbed.followed}
    words = could_tell(followed[COMPONENTS].over_models, 3, "model")
    assert words == "could not have been told: with 3 models the smallest p possible is 1.000; 5 could do"
