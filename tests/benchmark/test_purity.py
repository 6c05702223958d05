"""Purity and its value by chance against slow references, and a model judged from end to end."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factneurons.benchmark.contestants import groupers
from factneurons.benchmark.purity import judge_switched, purity, purity_by_chance
from factneurons.benchmark.settings import ORACLE, VERDICTS
from factneurons.errors import BadRun
from factneurons.facts.types import Fact, Prompt
from factneurons.models.types import Neuron
from factneurons.planted.base import base_model
from factneurons.planted.plant import save
from factneurons.planted.switched import Switched


def _groups(sizes, labels):
    """Groups of these sizes, and which of their neurons are in the first group."""
    neurons = [Neuron(0, index) for index in range(sum(sizes))]
    ends = np.cumsum(sizes)
    groups = [frozenset(neurons[end - size : end]) for size, end in zip(sizes, ends, strict=True)]
    return groups, frozenset(neuron for neuron, own in zip(neurons, labels, strict=True) if own)


def test_purity_by_hand():
    groups, first = _groups([3, 2], [1, 1, 0, 0, 0])
    assert purity(groups, first) == pytest.approx((2 + 2) / 5)
    assert purity(*_groups([2, 2], [1, 1, 0, 0])) == 1.0


def test_nothing_found_is_as_pure_as_by_chance():
    assert purity([], frozenset()) == purity_by_chance([], frozenset()) == 1.0


@given(st.lists(st.integers(1, 3), min_size=1, max_size=3).filter(lambda sizes: sum(sizes) <= 6), st.data())
def test_chance_is_the_mean_over_all_ways_to_deal_the_labels(sizes, data):
    labels = data.draw(st.lists(st.booleans(), min_size=sum(sizes), max_size=sum(sizes)))
    groups, first = _groups(sizes, labels)
    every = [purity(*_groups(sizes, dealt)) for dealt in permutations(labels)]
    assert purity_by_chance(groups, first) == pytest.approx(np.mean(every))


@pytest.mark.parametrize("labels", [[1, 0, 1, 0], [1, 1, 1, 1]])
def test_one_group_of_all_says_nothing(labels):
    groups, first = _groups([4], labels)
    assert purity(groups, first) == pytest.approx(purity_by_chance(groups, first))


def test_a_model_judged(tmp_path):
    """A random model stands for a trained one: what is computed does not depend on what it knows."""
    base = base_model("random-gpt2", 0)
    save(base, tmp_path)
    prompts = tuple(Prompt(f"The {word} of France is ___.") for word in ("capital", "city", "name"))
    fact = Fact("capital/france", "capital", "France", "Paris", "en", prompts)
    every = [Neuron(layer, index) for layer in range(base.layer_count) for index in range(base.width)]
    Switched("random-gpt2", 0, (frozenset(every[::2]), frozenset(every[1::2])), (fact,), {}).save(tmp_path)
    contestants = {name: groupers()[name] for name in ("interaction", "random")}
    rows = judge_switched(tmp_path, contestants)
    assert list(rows["clusterer"]) == ["interaction", "random", ORACLE]
    assert rows["purity"].iloc[-1] == 1.0
    assert (rows["above_chance"] == rows["purity"] - rows["by_chance"]).all()
    assert rows["purity"].between(0.5, 1).all()
    assert set(rows["verdict"]) <= set(VERDICTS)
    with pytest.raises(BadRun, match=r"no groups\.json"):
        judge_switched(tmp_path / "nothing", contestants)
