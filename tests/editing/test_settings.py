"""What is no setting of an edit is refused."""

import pytest

from factneurons.editing.settings import EditSettings
from factneurons.errors import BadSetting


@pytest.mark.parametrize(
    "options", [{"join": "x"}, {"most_shared": 2.0}, {"margin": 0.0}, {"kept": -1}, {"count": 0}, {"relation_facts": 0}]
)
def test_impossible_settings(options):
    with pytest.raises(BadSetting):
        EditSettings(**options)
