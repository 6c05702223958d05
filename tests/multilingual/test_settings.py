"""What is no way to join languages is refused."""

import pytest

from factneurons.errors import BadSetting
from factneurons.multilingual.settings import LanguageSettings


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rule": "all"}, "one of: intersection, at_least, union, agnostic"),
        ({"rule": "at_least"}, "give both or neither"),
        ({"at_least": 2}, "give both or neither"),
        ({"rule": "at_least", "at_least": 0}, "at least 1"),
        ({"languages": ("en",)}, "two or more different ones"),
        ({"languages": ("en", "en")}, "two or more different ones"),
        ({"thresholds": "free"}, "one of: fixed, match_size"),
        ({"held_out": 1.0}, "held_out is 1.0: it must be above 0 and below 1"),
        ({"beta_prompts": -1.0}, "beta_prompts is -1.0: it must be at least 0"),
        ({"rule": "agnostic", "thresholds": "match_size"}, "does nothing"),
    ],
)
def test_bad_settings(options, message):
    with pytest.raises(BadSetting, match=message):
        LanguageSettings(**options)
