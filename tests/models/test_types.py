"""Plain values: what settings, help texts and reports need of models, without torch."""

import subprocess
import sys
from typing import get_args

import pytest
import torch

from factneurons.errors import BadNumber
from factneurons.facts.types import Prompt
from factneurons.models.types import DTYPES, TARGETS, Neuron, Query, Target, check_finite


def test_a_neuron_is_its_layer_and_index():
    assert sorted([Neuron(1, 0), Neuron(0, 7)]) == [Neuron(0, 7), Neuron(1, 0)]
    assert {Neuron(2, 3)} == {(2, 3)}
    assert (Neuron(2, 3).layer, Neuron(2, 3).index) == (2, 3)


def test_a_query_is_a_value():
    query = Query(Prompt("a is ___."), "b", (1, 2), (1,), (3,), (0,), ((0,),))
    assert query == Query(Prompt("a is ___."), "b", (1, 2), (1,), (3,), (0,), ((0,),))
    with pytest.raises(AttributeError):
        query.answer = "c"


def test_what_is_no_number_is_told_with_its_place():
    check_finite([0.5, 0.0], "fact 'a'", "P is NaN")
    with pytest.raises(BadNumber, match=r"^fact 'a': P is NaN; load the model in float32$"):
        check_finite([0.5, float("nan")], "fact 'a'", "P is NaN")


def test_the_names_of_what_can_be_chosen():
    assert get_args(Target) == TARGETS
    assert all(getattr(torch, name).is_floating_point for name in DTYPES if name != "auto")


@pytest.mark.parametrize("name", ["types", "bundled"])
def test_nothing_heavy_is_imported(name):
    code = f"import sys, factneurons.models.{name}; print({{'torch', 'transformers', 'pandas'}} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
