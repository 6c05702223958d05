"""transformers is quiet for a time, and then as it was."""

import pytest
from transformers.utils import logging

from factneurons.models.quiet import quiet


def state():
    return logging.get_verbosity(), logging.is_progress_bar_enabled()


def test_left_as_it_was():
    before = state()
    with quiet():
        assert state() == (logging.ERROR, False)
    assert state() == before
    with pytest.raises(ValueError), quiet():
        raise ValueError
    assert state() == before
