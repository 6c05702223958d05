"""What is no setting of a fact checker is refused; the names are those of the conditions and features there are."""

import pytest

from factneurons.errors import BadSetting
from factneurons.factcheck.conditions import CONDITIONS
from factneurons.factcheck.scoring import FEATURES
from factneurons.factcheck.settings import CONDITION_NAMES, FEATURE_NAMES, CheckerSettings


def test_the_names_are_those_there_are():
    assert tuple(CONDITIONS) == CONDITION_NAMES
    assert tuple(FEATURES) == FEATURE_NAMES


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"condition": "luck"}, "condition is 'luck': it must be one of: degenerate"),
        ({"source": "pair"}, "did you mean 'pairs'"),
        ({"feature": "x"}, "feature is 'x'"),
        ({"share": 1.0}, "share is 1.0: it must be at least 0 and below 1"),
        ({"share": -0.1}, "share is -0.1"),
    ],
)
def test_bad_settings(options, message):
    with pytest.raises(BadSetting, match=message):
        CheckerSettings(**options)
