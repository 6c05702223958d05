"""The page names every regime, option, field and threshold."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from factneurons.planted.checks import ADDITIVE, GATED
from factneurons.planted.invented import GUESSED
from factneurons.planted.regimes import BROKEN, LOST, STORED
from factneurons.planted.settings import PlantingSettings
from factneurons.planted.truth import SCHEMA
from factneurons.planted.types import REGIMES

PAGE = (Path(__file__).parents[2] / "docs" / "planted.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("regime", REGIMES)
def test_regimes(regime):
    assert f"| `{regime}` | " in PAGE


def test_options_have_their_defaults():
    options = asdict(PlantingSettings())
    options["mix"] = ",".join(f"{name}={count}" for name, count in options["mix"].items())
    for name, value in options.items():
        assert f"| `{name}` | {value} | " in PAGE


def test_every_field_of_the_schema():
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    planted = schema["$defs"]["planted"]["properties"]
    for name in schema["properties"]:
        assert f"| `{name}` | " in PAGE
    for name in planted:
        assert f"`facts[].{name}" in PAGE
    for name in planted["components"]["items"]["properties"]:
        assert f"| `facts[].components[].{name}` | " in PAGE
    for name in planted["checks"]["items"]["properties"]:
        assert f"`{name}`" in PAGE


def test_thresholds():
    assert f"Every fact promises P at least {STORED} as the model is" in PAGE
    assert f"at most {LOST} with all of its own suppressed" in PAGE
    assert f"| any one neuron suppressed: at most {BROKEN}; its neurons add up |" in PAGE
    assert f"summed, is {ADDITIVE[0]} to {ADDITIVE[1]} times what" in PAGE
    assert f"at least {GATED} of what suppressing all costs" in PAGE
    assert f"P(answer) above {GUESSED}" in PAGE
