"""The settings of planting refuse nonsense."""

from __future__ import annotations

import math

import pytest

from factneurons.errors import BadSetting
from factneurons.planted.settings import MIX, ORDERED, PlantingSettings
from factneurons.planted.types import REGIMES


def test_defaults():
    settings = PlantingSettings()
    assert settings.mix == MIX
    assert set(settings.mix) == set(ORDERED) == set(REGIMES) - {"shared"}
    settings.mix["single"] = 99
    assert PlantingSettings().mix == MIX  # nothing leaks into the next one


@pytest.mark.parametrize("name", ["shared", "degenerated", ""])
def test_unknown_regimes(name):
    with pytest.raises(BadSetting) as error:
        PlantingSettings(mix={name: 1})
    assert repr(name) in str(error.value)
    assert all(regime in str(error.value) for regime in ORDERED)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("mix", {"single": -1}, "mix: single is -1; it must be at least 0"),
        ("seed", -1, "seed is -1; it must be at least 0"),
        ("prompts", 0, "prompts is 0; it must be at least 1"),
        ("background", 0, "background is 0"),
        ("distractors", -1, "distractors is -1; it must be at least 0"),
        ("steps", 0, "steps is 0"),
        ("batch_size", 3, "batch_size is 3; it must be at least 4"),
        ("learning_rate", 0.0, "learning_rate is 0.0; it must be above 0"),
        ("learning_rate", math.nan, "learning_rate is nan"),
        ("learning_rate", math.inf, "learning_rate is inf"),
    ],
)
def test_values_out_of_range(name, value, says):
    with pytest.raises(BadSetting) as error:
        PlantingSettings(**{name: value})
    assert str(error.value).startswith(says)
    assert "\n" not in str(error.value)


def test_the_least_values_are_taken():
    settings = PlantingSettings(seed=0, prompts=1, background=1, distractors=0, steps=1, batch_size=4, mix={})
    assert settings.mix == {}
