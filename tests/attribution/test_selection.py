"""How the prompts of one fact come to one set of neurons."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from factneurons.attribution.selection import AGREEMENTS, choose
from factneurons.attribution.settings import SelectionSettings
from factneurons.models.types import Neuron


def attributions(*rows):
    """One per prompt; each row are the scores of a model of one layer."""
    return [SimpleNamespace(scores=np.array([row], dtype=np.float32)) for row in rows]


STEADY, LOUD, RARE = Neuron(0, 0), Neuron(0, 1), Neuron(0, 2)
PROMPTS = attributions([0.5, 1.0, 0.0], [0.5, 0.1, 0.9], [0.5, 0.9, 0.0])
"""One neuron that is the same in every prompt, one that is mostly loud, one that is loud once."""


@pytest.mark.parametrize(
    ("agreement", "neurons"),
    [("refine", {STEADY}), ("union", {STEADY, LOUD, RARE}), ("consistency", {STEADY, LOUD})],
)
def test_agreements(agreement, neurons):
    chosen = choose(PROMPTS, SelectionSettings(agreement=agreement), 0.4)
    assert set(chosen.neurons) == neurons


@pytest.mark.parametrize("beta", [0.0, 0.5, 2.0])
def test_the_consistency_aware_score(beta):
    chosen = choose(PROMPTS, SelectionSettings(agreement="consistency", beta=beta), 0.1)
    scores = np.array([prompt.scores[0] for prompt in PROMPTS])
    expected = scores.mean(0) - beta * scores.std(0)
    for neuron, score in zip(chosen.neurons, chosen.scores, strict=True):
        assert score == pytest.approx(expected[neuron.index], rel=1e-6)
    kept = {int(i) for i in np.flatnonzero((expected >= 0.1 * expected.max()) & (expected > 0))}
    assert {neuron.index for neuron in chosen.neurons} == kept
    assert list(chosen.scores) == sorted(chosen.scores, reverse=True)


def test_more_beta_prefers_what_is_steady():
    first = [choose(PROMPTS, SelectionSettings(agreement="consistency", beta=beta), 0.4).neurons[0] for beta in (0, 1)]
    assert first == [LOUD, STEADY]


def test_shares_say_in_how_many_prompts_a_neuron_was_found():
    chosen = choose(PROMPTS, SelectionSettings(agreement="consistency"), 0.4)
    assert dict(zip(chosen.neurons, chosen.shares, strict=True)) == {STEADY: 1.0, LOUD: pytest.approx(2 / 3)}


@pytest.mark.parametrize("agreement", AGREEMENTS)
def test_negative_prompts_take_their_neurons_away(agreement):
    settings = SelectionSettings(agreement=agreement)
    assert STEADY not in choose(PROMPTS, settings, 0.4, attributions([1.0, 0.0, 0.0])).neurons


def test_one_prompt_has_nobody_to_disagree_with():
    (one, *_) = PROMPTS
    sets = [choose([one], SelectionSettings(agreement=name), 0.4) for name in AGREEMENTS]
    assert sets[0] == sets[1] == sets[2]
