"""The settings of perturbation."""

from __future__ import annotations

import pytest

from factneurons.errors import BadSetting
from factneurons.facts.settings import PerturbationSettings


def test_versions_follow_from_the_rule_unless_given():
    assert PerturbationSettings().most == 5
    assert PerturbationSettings(rule="authors").most == 1
    assert PerturbationSettings(rule="authors", versions=3).most == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"edits": ()}, "at least one kind"),
        ({"edits": ("swap",)}, "replace, add, delete"),
        ({"versions": 0}, "at least 1"),
        ({"rule": "theirs"}, "spared, authors"),
    ],
)
def test_impossible_settings_are_refused(options, message):
    with pytest.raises(BadSetting, match=message):
        PerturbationSettings(**options)
