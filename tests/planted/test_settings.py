"""The settings of planting refuse nonsense."""

from __future__ import annotations

import pytest

from factneurons.errors import BadSetting
from factneurons.planted.settings import HARD, MIX, MIXES, ORDERED, PlantingSettings
from factneurons.planted.types import REGIMES
from factneurons.settings import options_of


def test_defaults():
    settings = PlantingSettings()
    assert settings.mix == MIX
    assert {*MIXES["all"], *MIXES["subject"]} == set(ORDERED) == set(REGIMES) - {"shared"}
    assert not set(MIX) & set(HARD)
    settings.mix["single"] = 99
    assert PlantingSettings().mix == MIX  # nothing leaks into the next one


def test_every_field_is_checked():
    for each in options_of(PlantingSettings):
        with pytest.raises(BadSetting, match=f"^{each.name} is <object"):
            PlantingSettings(**{each.name: object()})


@pytest.mark.parametrize("name", ["shared", "degenerated", ""])
def test_unknown_regimes(name):
    with pytest.raises(BadSetting) as error:
        PlantingSettings(mix={name: 1})
    assert str(error.value).startswith(f"mix is {name!r}: it must be one of: {', '.join(ORDERED)}")


def test_there_is_no_negative_number_of_facts():
    with pytest.raises(BadSetting, match=r"^mix: single is -1: it must be at least 0$"):
        PlantingSettings(mix={"single": -1})


def test_the_least_values_are_taken():
    settings = PlantingSettings(seed=0, prompts=1, background=1, distractors=0, steps=1, batch_size=4, mix={})
    assert settings.mix == {}
