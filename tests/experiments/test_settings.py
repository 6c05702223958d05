"""The settings of experiments: every field is checked, and an experiment has a method."""

from __future__ import annotations

import pytest

from factneurons.attribution.settings import InterventionSettings
from factneurons.errors import BadSetting
from factneurons.experiments.settings import ExperimentSettings
from factneurons.settings import options_of


def test_every_field_is_checked():
    for each in options_of(ExperimentSettings):
        with pytest.raises(BadSetting, match=f"^{each.name} is <object"):
            ExperimentSettings(**{each.name: object()})


def test_methods():
    with pytest.raises(BadSetting, match=r"^methods is .*: it must be at least one method"):
        ExperimentSettings(methods=())
    with pytest.raises(BadSetting, match=r"^methods is 'amgi': it must be one of: joint, amig_joint, dai, amig"):
        ExperimentSettings(methods=("dai", "amgi"))


def test_interventions_are_made_with_the_same_numbers():
    assert ExperimentSettings(draws=3, unrelated=0, seed=7).interventions == InterventionSettings(3, 0, 7)
