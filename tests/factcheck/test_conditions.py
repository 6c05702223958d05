"""The conditions by name."""

import pytest

from factneurons.errors import BadSetting
from factneurons.factcheck.conditions import CONDITIONS, HEADLINE, condition_named


def test_names():
    assert set(HEADLINE) <= set(CONDITIONS)
    assert condition_named("random").by_neurons
    with pytest.raises(BadSetting, match="condition is 'luck'"):
        condition_named("luck")
