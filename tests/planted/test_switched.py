"""What is known of a model that was trained with groups off is read as it was written."""

from __future__ import annotations

import json

import pytest

from factneurons.errors import BadRun
from factneurons.facts.types import Fact, Prompt
from factneurons.models.types import Neuron
from factneurons.planted.switched import GROUPS, Switched


def test_what_is_known_of_it_is_read_again(tmp_path):
    fact = Fact("a", "capital", "France", "Paris", "en", (Prompt("The capital of France is ___."),))
    groups = (frozenset({Neuron(0, 1), Neuron(1, 0)}), frozenset({Neuron(0, 0)}))
    made = Switched("pocket-gpt2", 3, groups, (fact,), {"known without both groups": 2})
    (tmp_path / "made").mkdir()
    made.save(tmp_path / "made")
    assert Switched.load(tmp_path / "made") == made
    with pytest.raises(BadRun, match=r"no model trained with groups switched off, it has no groups\.json"):
        Switched.load(tmp_path)
    for text in ("{", '{"format": "other"}', json.dumps({"format": "factneurons groups 1", "groups": [[]]})):
        (tmp_path / GROUPS).write_text(text, encoding="utf-8")
        with pytest.raises(BadRun, match=r"groups\.json: cannot be read"):
            Switched.load(tmp_path)
